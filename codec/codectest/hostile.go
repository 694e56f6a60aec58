// SPDX-License-Identifier: Apache-2.0

package codectest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/codec"
)

// patience is how long one Decode may take. It is meant for quadratic and endless loops,
// not for slow machines: the inputs are at most 2 MB.
const patience = 10 * time.Second

// bomb is the size of generic nesting bombs.
const bomb = 2 << 20

func (x *suite) depth(t *testing.T) {
	if x.Nested == nil {
		t.Skip("the format does not nest")
	}
	if err := x.c.Decode(x.Nested(x.Depth), x.NestedInto()); err != nil {
		t.Errorf("depth %d: %v", x.Depth, err)
	}
	for _, depth := range []int{x.Depth + 1, 2 * x.Depth, 100_000} {
		_, err := x.attack(t, x.Nested(depth), x.NestedInto())
		if e := x.typed(t, codec.Decode, err); e != nil && e.Reason != codec.TooDeep {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

// truncated cuts the encoding of every sample at every byte (of long ones, at some).
func (x *suite) truncated(t *testing.T) {
	x.eachSample(t, func(t *testing.T, v any) {
		data := x.encode(t, v)
		step := 1
		if len(data) > 4096 {
			step = len(data) / 32
		}
		for n := 0; n < len(data); n += step {
			err := x.c.Decode(data[:n:n], reflect.New(reflect.TypeOf(v)).Interface())
			x.judge(t, err, x.Framing == Exact, fmt.Sprintf("%d of %d bytes", n, len(data)))
		}
	})
}

func (x *suite) trailing(t *testing.T) {
	x.eachSample(t, func(t *testing.T, v any) {
		data := append(x.encode(t, v), 0)
		err := x.c.Decode(data, reflect.New(reflect.TypeOf(v)).Interface())
		x.judge(t, err, x.Framing != Opaque && !isSlice(v, x.Typed), "a zero byte behind the value")
		if !x.Typed {
			x.judge(t, x.c.Decode(data, new(any)), x.Framing != Opaque, "a zero byte behind an any")
		}
	})
}

// isSlice reports whether a byte more may just be one element more, as in Fixed.
func isSlice(v any, typed bool) bool {
	return typed && reflect.TypeOf(v).Kind() == reflect.Slice
}

func (x *suite) hostile(t *testing.T) {
	for _, h := range x.Hostile {
		t.Run(h.Name, func(t *testing.T) {
			for _, v := range x.targets() {
				_, err := x.attack(t, h.Data, v)
				x.judge(t, err, true, fmt.Sprintf("into %T", v))
			}
		})
	}
}

// hostileGeneric sends, for every first byte that a format may give a meaning: headers of 5
// and 9 bytes with huge counts, and that byte alone, two million times.
func (x *suite) hostileGeneric(t *testing.T) {
	for lead := range 256 {
		for _, data := range [][]byte{
			{byte(lead), 0xff, 0xff, 0xff, 0xff},
			{byte(lead), 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
			append([]byte{byte(lead), 0x00, 0xff, 0xff, 0xff}, make([]byte, 64)...),
			bytes.Repeat([]byte{byte(lead), 0xff, 0xff, 0xff, 0xff}, 64),
		} {
			x.attackAll(t, data)
		}
	}
	for _, unit := range []string{
		"\x91", "\x81", "\x81\xa0", "\xdd\x00\x00\x00\x01", "\xdf\x00\x00\x00\x01\xa0", // MessagePack
		"\x9f", "\xbf", "\xa1\x60", "\xd8\x1c", "\xc6", "\x5f", "\x9a\x00\x00\x00\x01", // CBOR
		"[", "{\"\":", "[{\"\":", // JSON
		"\x0b", "\x0a\xff\xff\x7f", // Protobuf: groups, lengths
		"\x00", "\x80", "\xa0", "\xff", "\"", "1",
	} {
		data := bytes.Repeat([]byte(unit), bomb/len(unit))
		x.attackAll(t, data)
	}
}

// garbage sends noise; the seed is fixed so that a failure comes back.
func (x *suite) garbage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		data := make([]byte, rnd.IntN(200))
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		x.survive(t, data)
	}
}

// mutated sends valid encodings with a few bytes changed, which get further than noise.
func (x *suite) mutated(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, v := range x.Samples {
		valid := x.encode(t, v)
		if len(valid) == 0 || len(valid) > 4096 {
			continue
		}
		for range 300 {
			data := bytes.Clone(valid)
			for range 1 + rnd.IntN(3) {
				data[rnd.IntN(len(data))] = byte(rnd.Uint32())
			}
			x.survive(t, data)
		}
	}
}

// survive decodes data into every target; only the kind of error is looked at.
func (x *suite) survive(t *testing.T, data []byte) {
	t.Helper()
	for _, v := range x.targets() {
		x.judge(t, x.c.Decode(data, v), false, fmt.Sprintf("%x into %T", data, v))
	}
}

// attackAll is attack into the most welcoming target and the first sample's type.
func (x *suite) attackAll(t *testing.T, data []byte) {
	t.Helper()
	for i, v := range x.targets() {
		if i < 2 {
			_, err := x.attack(t, data, v)
			x.judge(t, err, false, fmt.Sprintf("% x… into %T", data[:min(16, len(data))], v))
		}
	}
}

// attack decodes data into v and checks time and memory.
func (x *suite) attack(t *testing.T, data []byte, v any) (allocated uint64, err error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err = x.c.Decode(data, v)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	allocated = after.TotalAlloc - before.TotalAlloc
	if limit := uint64(len(data)*x.Growth) + 64<<10; allocated > limit {
		t.Errorf("%d bytes (% x…) into %T: allocated %d, more than %d", len(data), data[:min(16, len(data))], v, allocated, limit)
	}
	if took > patience {
		t.Errorf("%d bytes (% x…) into %T took %v", len(data), data[:min(16, len(data))], v, took)
	}
	return allocated, err
}

// judge checks the result of a Decode of bad input.
func (x *suite) judge(t *testing.T, err error, must bool, what string) {
	t.Helper()
	switch {
	case err != nil:
		if e := x.typed(t, codec.Decode, err); e != nil && e.Reason == codec.Internal {
			t.Errorf("%s: %v", what, err)
		}
	case must:
		t.Errorf("%s: no error", what)
	}
}
