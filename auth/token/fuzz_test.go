// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/plexus-ipc/plexus/auth"
)

// seeds are the messages of testdata/vectors.json.
func seeds(f *testing.F) [][]byte {
	file, err := os.ReadFile("testdata/vectors.json")
	must(f, err)
	var vectors []vector
	must(f, json.Unmarshal(file, &vectors))
	var all [][]byte
	for _, v := range vectors {
		b, err := hex.DecodeString(v.Message)
		must(f, err)
		all = append(all, b)
	}
	return all
}

// FuzzBlocks: what is taken apart is put together to the same bytes again, and is within bounds.
func FuzzBlocks(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s[2 : len(s)-64])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		blocks, err := split(raw)
		if !bytes.Equal(before, raw) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			return
		}
		again := []byte{byte(len(blocks))}
		for i, b := range blocks {
			body := b.append(nil, i == 0)
			again = append(again, byte(len(body)), byte(len(body)>>8))
			again = append(append(again, body...), b.signature...)
			if len(b.rights) > MaxRights || len(b.audience) > MaxAudience {
				t.Fatal("out of bounds")
			}
		}
		if len(blocks) > MaxBlocks || !bytes.Equal(raw, again) {
			t.Fatalf("%x became %x", raw, again)
		}
	})
}

// FuzzServer plays a client that has seen tokens and conversations of others, but no key.
func FuzzServer(f *testing.F) {
	i := issuer(f)
	v := NewVerifier(trust(i))
	seen, _, err := Hold(narrow(f, issue(f, i, Terms{Rights: calls}), Terms{NotAfter: noon.AddDate(1, 0, 0)})).Client(binding("a")).Step(nil)
	must(f, err)
	f.Add(seen, 0, 0)
	for _, s := range seeds(f) {
		f.Add(s, 3, 1)
	}
	f.Fuzz(func(t *testing.T, message []byte, at, with int) {
		for _, m := range [][]byte{message, spliced(seen, message, at, with)} {
			s := v.Server(binding("b"))
			_, done, err := s.Step(m)
			if done || err == nil || s.Identity() != (auth.Identity{UID: -1, GID: -1}) {
				t.Fatalf("taken: %x", m)
			}
		}
	})
}

// spliced writes part of b over a.
func spliced(a, b []byte, at, with int) []byte {
	a = bytes.Clone(a)
	copy(a[max(at, 0)%len(a):], b[min(max(with, 0), len(b)):])
	return a
}

// FuzzTexts: what is parsed is what is printed.
func FuzzTexts(f *testing.F) {
	file, err := os.ReadFile("testdata/vectors.json")
	must(f, err)
	var vectors []vector
	must(f, json.Unmarshal(file, &vectors))
	for _, v := range vectors {
		f.Add(v.Token)
		f.Add(v.Issuer)
		f.Add(`{"ids":["` + string(v.IDs[0]) + `"],"issuers":["` + v.Issuer + `"],"issued_before":"2026-11-21T12:00:00Z"}`)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if tok, err := Parse(text); err == nil {
			if again, err := Parse(tok.Text()); err != nil || again.Text() != tok.Text() || len(tok.chain.raw) > MaxSize {
				t.Fatal(err)
			}
		}
		if k, err := ParsePublicKey(text); err == nil {
			if again, err := ParsePublicKey(k.String()); err != nil || again != k {
				t.Fatal(err)
			}
		}
		if r, err := ParseRevoked([]byte(text)); err == nil {
			b, err := json.Marshal(r)
			must(t, err)
			if _, err := ParseRevoked(b); err != nil {
				t.Fatal(err)
			}
		}
	})
}
