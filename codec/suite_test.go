// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/codec/codectest"
)

type text string

type blob []byte

func TestRaw(t *testing.T) {
	codectest.Test(t, codec.Raw{}, codectest.Suite{
		Samples: []any{[]byte("bytes"), []byte{0}, "text", "", text("named"), blob("named"), make([]byte, 1<<18)},
		Framing: codectest.Opaque,
	})
	codectest.Vectors(t, codec.Raw{}, "testdata/vectors.json", nil)
}

func nestedJSON(depth int) []byte {
	half := depth / 2
	return []byte(strings.Repeat(`[`, depth-half) + strings.Repeat(`{"":`, half) + "0" +
		strings.Repeat("}", half) + strings.Repeat("]", depth-half))
}

func hostileJSON() []codectest.Hostile {
	var all []codectest.Hostile
	for name, text := range map[string]string{
		"empty": "", "space": "  ", "two values": "1 2", "two objects": "{}{}", "comma": `["a",]`, "open string": `"abc`,
		"lone surrogate escape cut": `"\ud8`, "control": "\"\x01\"", "nan": "NaN", "hex": "0x10",
		"one million brackets": strings.Repeat("[", 1_000_000), "closing first": "]" + strings.Repeat("[", 31),
		"brackets behind a string": `["\\\"", ` + strings.Repeat("[", 1_000_000), "balanced bomb": string(nestedJSON(500_000)),
		"bom": "\xef\xbb\xbf{}", "number forever": strings.Repeat("9", 1000) + "e", "nul behind": "true\x00",
	} {
		all = append(all, codectest.Hostile{Name: name, Data: []byte(text)})
	}
	return all
}

func TestJSON(t *testing.T) {
	codectest.Test(t, codec.JSON{}, codectest.Suite{Nested: nestedJSON, Hostile: hostileJSON()})
	codectest.Vectors(t, codec.JSON{}, "testdata/vectors.json", nil)
}

func TestJSONUseNumber(t *testing.T) {
	samples := slices.DeleteFunc(codectest.Samples(), func(v any) bool {
		list, ok := v.([]any) // its number comes back as a json.Number
		return ok && len(list) > 0
	})
	codectest.Test(t, codec.JSON{UseNumber: true, MaxDepth: 8}, codectest.Suite{
		Samples: samples, Nested: nestedJSON, Hostile: hostileJSON(), Depth: 8,
	})
}

type point struct{ X, Y float32 }

type fixed struct {
	ID    uint16
	Up    bool
	_     [3]uint8
	Pos   [2]point
	Flags [5]bool
	N     int
	U     uint
	Wait  time.Duration
	C     complex128
	Gaps  [3]struct {
		A uint8
		B uint32
	}
}

func sample() fixed {
	f := fixed{ID: 258, Up: true, Pos: [2]point{{1, -2}, {3, 4}}, Flags: [5]bool{true, false, true},
		N: -7, U: 9, Wait: time.Second, C: complex(1, -1)}
	f.Gaps[2].A, f.Gaps[2].B = 5, 6
	return f
}

func TestFixed(t *testing.T) {
	codectest.Test(t, codec.Fixed{}, codectest.Suite{
		Samples: []any{sample(), fixed{}, [4]uint32{1, 2, 3, 4}, int64(-5), true, point{1, 2},
			[]fixed{sample(), {}}, []point{{1, 2}}, make([]uint64, 1<<15)},
		Bad: "text", Typed: true,
		Framing: fixedFraming,
	})
	codectest.Vectors(t, codec.Fixed{}, "testdata/vectors.json", nil)
}

// A slice cut behind an element is a shorter slice; exactness of the rest is in
// TestFixedLengths.
const fixedFraming = codectest.Open
