// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"testing"
)

// The parser takes anything, and what it takes it prints alike.
func FuzzOpen(f *testing.F) {
	w := newWorld(f, X25519, "ann", "bob")
	f.Add(appendOne(f, w.codec("ann", to("bob")), "text"))
	f.Add(appendOne(f, w.codec("ann", func(c *Config) { c.SignOnly = true }), "text"))
	f.Add(appendOne(f, w.codec("ann", to("bob")).Begin(), "text"))
	f.Add([]byte{1, 1, 255, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var got string
		stranger := newWorldOf(t, w)
		if err := stranger.codec("bob", nil).Decode(b, &got); err == nil {
			t.Errorf("%x of a stranger is taken", b)
		}
		if err := stranger.codec("bob", nil).Answer().Decode(b, &got); err == nil {
			t.Errorf("%x of a stranger is taken as a request", b)
		}
		if o, scope, header, body, err := parseOpening(b); err == nil {
			if again := o.appendScope(nil, len(o.receivers)); !bytes.Equal(again, scope) || len(header)+len(body) != len(b) {
				t.Errorf("%x is printed as %x", scope, again)
			}
		}
		if h, header, _, err := parseFollow(b); err == nil && !bytes.Equal(h.append(nil), header) {
			t.Errorf("%x is printed otherwise", header)
		}
	})
}

// newWorldOf is a world where the same people have other keys.
func newWorldOf(t testing.TB, w *world) *world {
	x := &world{t: t, ids: strangers, ring: NewRing(), now: w.now}
	for n, id := range strangers {
		check(t, x.ring.Add(n, id.Public()))
	}
	return x
}

var strangers = func() map[string]*Identity {
	a, _ := Generate(X25519)
	b, _ := Generate(X25519)
	return map[string]*Identity{"ann": a, "bob": b}
}()

func FuzzRing(f *testing.F) {
	id, _ := Generate(X25519)
	f.Add("ann " + id.Public().String())
	f.Add("# nobody\n\n")
	f.Add("ann\x00 plexus-seal-public-")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRing(text)
		if err != nil {
			return
		}
		for _, n := range r.Names() {
			if keys, err := r.of([]string{n}); err != nil || len(keys) == 0 {
				t.Errorf("%q: %v", n, err)
			}
		}
	})
}
