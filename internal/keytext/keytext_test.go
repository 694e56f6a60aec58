// SPDX-License-Identifier: Apache-2.0

package keytext_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/internal/keytext"
	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// vector is a key and its text, made with Python: base64.urlsafe_b64encode(k + sha256(b"k-" + k).digest()[:4]).
var vector = struct {
	key  []byte
	text string
}{bytes.Repeat([]byte{7}, 32), "k-BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwehgdr9"}

func TestVector(t *testing.T) {
	if got := keytext.Format("k", vector.key); got != vector.text {
		t.Errorf("Format: %s", got)
	}
	got, err := keytext.Parse("k", "  "+vector.text+"\n", 32)
	if err != nil || !bytes.Equal(got, vector.key) {
		t.Errorf("Parse: %x, %v", got, err)
	}
}

// Every change of one character, and every cut, is refused, and the complaint shows no key.
func TestChangesAreRefused(t *testing.T) {
	for i := range vector.text {
		changed := vector.text[:i] + "x" + vector.text[i+1:]
		if vector.text[i] == 'x' {
			changed = vector.text[:i] + "y" + vector.text[i+1:]
		}
		for _, text := range []string{changed, vector.text[:i]} {
			_, err := keytext.Parse("k", text, 32)
			if err == nil {
				t.Errorf("%q is taken", text)
			} else if strings.Contains(err.Error(), "BwcHBwcH") {
				t.Errorf("the error shows the key: %v", err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vector.text)
	f.Add("k-")
	f.Add("k-BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH====")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := keytext.Parse("k", text, 32)
		if err != nil {
			return
		}
		if len(key) != 32 || keytext.Format("k", key) != strings.TrimSpace(text) {
			t.Errorf("%q is read as %x", text, key)
		}
	})
}
