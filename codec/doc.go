// SPDX-License-Identifier: Apache-2.0

// Package codec turns Go values into payload bytes and back.
//
// A [Codec] is one format. Three live here and need nothing but the standard library:
// [Raw] (bytes as they are), [JSON] and [Fixed] (fixed-size values, packed, little-endian,
// no allocation). CBOR, MessagePack and Protobuf are modules of their own below this
// package, so that only those who use them depend on them. A [Set] holds the codecs of one
// endpoint, by ID and by name. [For] resolves one type with one codec once; the [Value] it
// returns encodes and decodes without boxing, and for Raw and Fixed without allocating.
//
// # The contract of every codec
//
// Bytes: Append writes behind dst, as the built-in append does, and keeps neither dst nor
// the value. Decode copies what it keeps: the result belongs to the caller alone and data
// may be overwritten as soon as Decode returns.
//
// Hostile input: Decode never panics, never allocates ahead of the bytes it has received
// (a count on the wire is checked against what is left of data before anything is made
// from it), and refuses nesting deeper than a limit, [MaxDepth] unless a codec says
// otherwise. What it allocates is proportional to len(data) and to the size of the element
// types that the receiver itself has chosen.
//
// Whole values: data holds exactly one value; what remains behind it is an error.
//
// Determinism: equal values give equal bytes within one version of a program (map keys are
// sorted), so payloads can be signed, compared and deduplicated.
//
// Errors: every failure is an [*Error]. After one, Append returns dst as it was and the
// content of the value handed to Decode is unspecified.
//
// Concurrency: a Codec, a Set and a Value are immutable and may be used by any number of
// goroutines at once.
//
// The package codectest checks all this; a codec of your own passes it with one call.
//
// # Layout of Fixed
//
// A value is the concatenation of its parts in the order of declaration, without padding,
// alignment, names, tags or lengths:
//
//	bool                      1 byte, 0 or 1; anything else is refused
//	int8 uint8                1 byte
//	int16 uint16              2 bytes, little-endian, two's complement
//	int32 uint32 float32      4 bytes, little-endian; floats are IEEE 754
//	int64 uint64 float64      8 bytes, little-endian
//	int uint                  8 bytes, on every platform
//	complex64 complex128      real part, then imaginary part
//	[N]T                      N times T
//	struct                    its fields; a field named _ is as many zero bytes, ignored when read
//	[]T, outermost only       as many T as the payload holds; T has at least one byte
//
// Named types count as what they are made of (time.Duration is an int64). Unexported
// fields, strings, maps, pointers, interfaces, functions, channels, uintptr and slices
// inside are refused when the type is first seen. For example
//
//	struct{ ID uint16; Up bool; Pos [2]float32 } {258, true, {1, -2}}
//
// is 02 01 | 01 | 00 00 80 3f | 00 00 00 c0: 11 bytes, struct format "<H?2f" in Python.
package codec
