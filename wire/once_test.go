// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/wire"
)

// The layout is frozen: docs/protocol.md shows it.
func TestOnceLayout(t *testing.T) {
	o := wire.Once{Sequence: 0x0102, Floor: 0x0101, Attempt: 3, Age: 1500}
	for i := range o.Key {
		o.Key[i] = byte(i)
	}
	const want = "000102030405060708090a0b0c0d0e0f" + "0201000000000000" + "0101000000000000" + "03000000" + "dc050000"
	data := wire.AppendOnce(nil, o)
	if got := hex.EncodeToString(data); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if back, err := wire.ParseOnce(append(data, 9, 9)); err != nil || back != o {
		t.Error(back, err)
	}
	for _, bad := range []wire.Once{{}, {Sequence: 1, Floor: 2}} {
		if _, err := wire.ParseOnce(wire.AppendOnce(nil, bad)); !errors.Is(err, wire.ErrExtension) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := wire.ParseOnce(data[:39]); !errors.Is(err, wire.ErrExtension) {
		t.Error("cut short:", err)
	}
}

// FuzzOnce: what parses is put together again byte by byte.
func FuzzOnce(f *testing.F) {
	f.Add(wire.AppendOnce(nil, wire.Once{Sequence: 7, Floor: 5, Attempt: 1, Age: 20}))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := wire.ParseOnce(data)
		if err != nil {
			return
		}
		if again := wire.AppendOnce(nil, o); !bytes.Equal(again, data[:len(again)]) {
			t.Fatalf("%x comes back as %x", data, again)
		}
		if o.Sequence == 0 || o.Floor > o.Sequence {
			t.Fatalf("%+v", o)
		}
	})
}
