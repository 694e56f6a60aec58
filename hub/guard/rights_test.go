// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
)

func TestRights(t *testing.T) {
	x := auth.Within().Server(auth.Binding{})
	if _, _, err := x.Step(nil); err != nil {
		t.Fatal(err)
	}
	own := x.Identity()
	cn, nameless, claimed := auth.Identity{Name: "cn:ops"}, auth.Identity{UID: -1}, auth.Identity{Name: own.Name, UID: own.UID}
	for _, c := range []struct {
		name       string
		rights     Rights
		id         auth.Identity
		read, rule bool
	}{
		{"own user", Rights{}, own, true, true},
		{"nobody vouches", Rights{}, claimed, false, false},
		{"another", Rights{}, cn, false, false},
		{"nameless", Rights{Readers: []string{""}, Administrators: []string{""}}, nameless, false, false},
		{"reader", Rights{Readers: []string{"x", "cn:ops"}}, cn, true, false},
		{"all read", Rights{Readers: []string{Everybody}}, nameless, true, false},
		{"administrator", Rights{Administrators: []string{"cn:ops"}}, cn, true, true},
		{"prefix", Rights{Administrators: []string{"cn:op"}, Readers: []string{"cn:"}}, cn, false, false},
	} {
		for _, err := range []error{c.rights.Read(c.id), c.rights.Administer(c.id)} {
			if err != nil && !errors.Is(err, status.PermissionDenied) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if err := c.rights.Read(c.id); (err == nil) != c.read {
			t.Errorf("%s reads: %v", c.name, err)
		}
		if err := c.rights.Administer(c.id); (err == nil) != c.rule {
			t.Errorf("%s administers: %v", c.name, err)
		}
	}
}
