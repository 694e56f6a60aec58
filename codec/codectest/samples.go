// SPDX-License-Identifier: Apache-2.0

package codectest

import (
	"strings"
	"time"
)

// Inner is a part of Struct.
type Inner struct {
	Name  string
	Score float64
}

// Struct is a sample with most of what user types are made of.
type Struct struct {
	ID      uint64
	Delta   int32
	Ratio   float64
	On      bool
	Name    string
	Bytes   []byte
	List    []int64
	Inner   Inner
	Many    []Inner
	Ptr     *Inner
	Nil     *Inner
	Map     map[string]int
	At      time.Time
	Free    any
	Triple  [3]uint16
	Ignored int `json:"-" cbor:"-" msgpack:"-"`
}

// Samples returns values that every self-describing codec carries and gives back equal:
// structs, maps, slices, text, bytes, empty and nil ones, large ones, and any in the shapes
// that JSON knows.
func Samples() []any {
	return []any{
		Struct{},
		full(),
		[]Struct{full(), {}, full()},
		&Inner{"pointer", 1},
		map[string]any{"a": "x", "b": []any{true, nil, "y"}, "c": map[string]any{}},
		map[string]string{},
		map[string]int(nil),
		map[int]string{-1: "minus", 7: "seven", 300: "more"},
		[]any{"text", false, nil, 1.5, []any{}},
		[]byte{},
		[]byte("bytes \x00\xff"),
		"", "text", "ünïcödé ✓ \U0001f600 \"quoted\" \\ \n",
		true,
		[]int64{0, 1, -1, 127, 128, -128, -129, 65535, 65536, 1 << 31, -1 << 31, 1<<63 - 1, -1 << 63},
		[]float64{0, 1.5, -2.25, 1e300, 5e-324},
		strings.Repeat("large ", 1<<15),
		make([]byte, 1<<18),
		make([]int64, 1<<14),
	}
}

func full() Struct {
	return Struct{
		ID: 1<<64 - 1, Delta: -1 << 31, Ratio: 0.1, On: true, Name: "näme",
		Bytes: []byte{0, 1, 255}, List: []int64{1, -2, 3}, Inner: Inner{"in", 2.5},
		Many: []Inner{{"a", 1}, {"b", 2}}, Ptr: &Inner{"ptr", -1},
		Map:  map[string]int{"one": 1, "two": 2},
		At:   time.Date(2026, 11, 5, 12, 30, 45, 123456789, time.UTC),
		Free: "free", Triple: [3]uint16{1, 2, 3},
	}
}
