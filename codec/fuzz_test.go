// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"bytes"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/codec/codectest"
)

// FuzzDecode decodes any bytes with any of the three codecs: no panic, and what is accepted
// is stable from its first encoding on.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, which byte, data []byte) {
		switch which % 5 {
		case 0:
			stable[any](t, codec.Raw{}, data)
		case 1:
			stable[any](t, codec.JSON{}, data)
			stable[codectest.Struct](t, codec.JSON{}, data)
		case 2:
			stable[any](t, codec.JSON{UseNumber: true}, data)
		case 3:
			stable[fixed](t, codec.Fixed{}, data)
			exact[fixed](t, data)
		case 4:
			stable[[]numbered](t, codec.Fixed{}, data)
			exact[[]numbered](t, data)
		}
	})
}

type numbered struct {
	A uint8
	B int32
	C bool
	D [3]uint16
}

// stable checks that decode, encode, decode, encode gives the same bytes twice.
func stable[T any](t *testing.T, c codec.Codec, data []byte) {
	var first, second T
	if c.Decode(data, &first) != nil {
		return
	}
	a, err := c.Append(nil, &first)
	if err != nil {
		t.Fatalf("%#v does not encode: %v", first, err)
	}
	if err := c.Decode(a, &second); err != nil {
		t.Fatalf("%q does not decode: %v", a, err)
	}
	if b, err := c.Append(nil, &second); err != nil || !bytes.Equal(a, b) {
		t.Fatalf("%q became %q: %v", a, b, err)
	}
}

// exact checks that Fixed, which has one encoding per value, accepts no other (blank fields
// apart, which are ignored).
func exact[T any](t *testing.T, data []byte) {
	var v T
	if (codec.Fixed{}).Decode(data, &v) != nil {
		return
	}
	if got, err := (codec.Fixed{}).Append(nil, v); err != nil || len(got) != len(data) {
		t.Fatalf("%x became %x: %v", data, got, err)
	}
}
