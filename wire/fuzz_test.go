// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/plexus-ipc/plexus/wire"
)

// FuzzParseFrame: what parses is put together again byte by byte.
func FuzzParseFrame(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := wire.ParsePreface(data); err == nil && !bytes.Equal(wire.AppendPreface(nil, p)[:12], data[:12]) {
			t.Fatalf("preface %x comes back as %x", data, wire.AppendPreface(nil, p))
		}
		h, ext, payload, err := wire.ParseFrame(data)
		if err != nil {
			return
		}
		if again := wire.AppendFrame(nil, h, ext, payload); !bytes.Equal(again, data) {
			t.Fatalf("%x comes back as %x", data, again)
		}
		bits := wire.MakeBits(h.Priority(), h.Shape(), h.Idempotent())
		if bits&^h.Bits != 0 {
			t.Fatalf("bits %x come back as %x", h.Bits, bits)
		}
	})
}

// FuzzControl does the same for the payloads of control frames, by kind.
func FuzzControl(f *testing.F) {
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		again, err := reappend(wire.Kind(kind), data)
		if err == nil && !bytes.Equal(again, data) {
			t.Fatalf("%s %x comes back as %x", wire.Kind(kind), data, again)
		}
	})
}

// reappend parses a payload and appends what it found.
func reappend(kind wire.Kind, data []byte) ([]byte, error) {
	switch kind {
	case wire.KindBind:
		b, err := wire.ParseBind(data)
		return wire.AppendBind(nil, b), err
	case wire.KindCredit:
		c, err := wire.ParseCredit(data)
		return wire.AppendCredit(nil, c), err
	case wire.KindSource:
		s, err := wire.ParseSource(data)
		return wire.AppendSource(nil, s), err
	}
	s, err := wire.ParseStatus(data)
	if err != nil || len(data) == 0 {
		return data, err
	}
	again := wire.AppendStatus(nil, s)
	again[3] = data[3] // nobody looks at it
	return again, nil
}

// FuzzHandshakeJSON: what is accepted is written so that it is accepted and the same again.
func FuzzHandshakeJSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		body := []any{&wire.Hello{}, &wire.Auth{}, &wire.Upgrade{}}[which%3]
		if wire.ParseJSON(data, body) != nil {
			return
		}
		first, err := wire.AppendJSON(nil, body)
		if err != nil {
			t.Fatal(err)
		}
		if len(first) > wire.MaxHandshake {
			return // written, some characters are longer
		}
		again := reflect.New(reflect.TypeOf(body).Elem()).Interface()
		if err := wire.ParseJSON(first, again); err != nil {
			t.Fatalf("%q: %v", first, err)
		}
		if second, err := wire.AppendJSON(nil, again); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%q becomes %q, %v", first, second, err)
		}
	})
}

// FuzzExtension: sections and headers survive, and never point outside.
func FuzzExtension(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		if list, err := parseExtensions(data); err == nil {
			again, err := parseExtensions(appendExtensions(list))
			if err != nil || !reflect.DeepEqual(list, again) {
				t.Fatalf("%v becomes %v, %v", list, again, err)
			}
			if len(appendExtensions(list)) != len(data) {
				t.Fatalf("%d bytes become %d", len(data), len(appendExtensions(list)))
			}
		}
		found, err := wire.FindExtension(data, wire.ExtHeaders)
		if err == nil && len(found) > len(data) {
			t.Fatal("more found than there was")
		}
		checkHeaders(t, data)
		checkHeaders(t, found)
	})
}

func checkHeaders(t *testing.T, data []byte) {
	pairs, err := wire.ParseHeaders(nil, data)
	if err != nil {
		return
	}
	for _, p := range pairs {
		if !utf8.ValidString(p.Key) || len(p.Value) > wire.MaxExtensions {
			return // read, but never written
		}
	}
	if again, _ := wire.AppendHeaders(nil, pairs); !bytes.Equal(again, data) && len(data) <= wire.MaxExtensions-4 {
		t.Fatalf("headers %x come back as %x", data, again)
	}
}
