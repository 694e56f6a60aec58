// SPDX-License-Identifier: Apache-2.0

package directory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub/directory"
)

type person string

func (p person) ID() string { return string(p) }

// Who is expelled is not asked about; who inherits is.
func TestExpelAndHeirs(t *testing.T) {
	d := directory.New[person](directory.Rules{Promote: true, Channels: 9, Members: 9, Names: 9, Places: 9, Terms: 99})
	shut := false
	d.Judge(func(string, person, bool) error {
		if shut {
			return errors.New("nobody may")
		}
		return nil
	})
	d.Heirs(func(_ string, p person) bool { return p == "c" })
	for _, p := range []person{"a", "b", "c"} {
		if _, err := d.Join("ch", p, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if changes := d.Expel("other", "a", ""); len(changes) != 0 {
		t.Fatal(changes)
	}
	shut = true
	changes := d.Expel("ch", "a", "out")
	if len(changes) != 2 || changes[0].Kind != directory.Left || changes[0].Reason != "out" || changes[1].Kind != directory.Owned || d.Channel("ch").Owner() != "c" {
		t.Fatalf("%+v", changes)
	}
	d.Expel("ch", "c", "out")
	if d.Channel("ch").Owner() != "b" { // nobody may, but somebody has to
		t.Fatal(d.Channel("ch").Owner())
	}
	if d.Expel("ch", "b", "out"); d.Channel("ch") != nil {
		t.Fatal("the channel outlives its members")
	}
}
