// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"testing"
)

func TestFindHeader(t *testing.T) {
	data, ok := AppendHeaders(nil, []Pair{{"a", "1"}, {"key", ""}, {"key", "second"}, {"b", "2"}})
	if !ok {
		t.Fatal("malformed")
	}
	ext := AppendExtension(AppendExtension(nil, ExtTimestamp, make([]byte, 8)), ExtHeaders, data)
	for key, want := range map[string]string{"a": "1", "key": "", "b": "2", "c": "", "": ""} {
		if got := FindHeader(ext, key); string(got) != want || (got == nil) != (key == "c" || key == "") {
			t.Errorf("%q: %q", key, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { FindHeader(ext, "b") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if FindHeader(nil, "a") != nil || FindHeader([]byte{1, 2, 3}, "a") != nil {
		t.Error("a header in nothing")
	}
}

// FuzzFindHeader finds what ParseHeaders does, whatever the bytes are.
func FuzzFindHeader(f *testing.F) {
	f.Add([]byte("\x01a\x01\x001\x03key\x02\x00ok"), "key")
	f.Add([]byte("\x01a\xff\xff1"), "a")
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		data = data[:min(len(data), 1000)]
		got := FindHeader(AppendExtension(nil, ExtHeaders, data), key)
		pairs, err := ParseHeaders(nil, data)
		if err != nil {
			return // what comes before the malformed part may be found
		}
		for _, p := range pairs {
			if p.Key == key {
				if !bytes.Equal(got, []byte(p.Value)) {
					t.Fatalf("%q, not %q", got, p.Value)
				}
				return
			}
		}
		if got != nil {
			t.Fatalf("%q is nowhere", got)
		}
	})
}
