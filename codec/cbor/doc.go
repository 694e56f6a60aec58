// SPDX-License-Identifier: Apache-2.0

// Package cbor is the CBOR codec of Plexus (RFC 8949), with fxamacker/cbor underneath. It
// keeps the contract of package codec.
//
// # What an any becomes
//
//	integer                       int64; *big.Int beyond it
//	float                         float64
//	text, bytes                   string, []byte
//	array                         []any
//	map                           map[string]any; map[any]any where a key is not text
//	tag 0, 1 (date)               time.Time
//	tag 2, 3 (big integer)        *big.Int
//	tag 258 (set)                 Set
//	any other tag                 Tag
//	null, undefined               nil
//	other simple values           fxamacker's SimpleValue
//
// As a map key, bytes become a ByteString. Arrays, maps, NaN and big integers cannot be keys
// in an any, because Go would never find them again; decoding one is Unsupported.
//
// # The profile: what the structured clone of JavaScript carries
//
// Dates are written as tag 0 with nanoseconds and zone; those beyond the year 9999 are
// refused. A *big.Int is always written as tag
// 2 or 3, however small, so that it stays one. Map keys may be of any comparable type. A Set
// is written as tag 258, which keeps the order. Undefined{} writes undefined; it is read as
// nil. Shared references (tags 28 and 29) are refused as Unsupported in both directions: a
// cycle could not be decoded into typed values, and a reference that is skipped would be
// silently wrong. A Go value that refers to itself is refused as TooDeep.
//
// # Strictness
//
// Encoding is deterministic: shortest integers and floats, map keys sorted bytewise. Decoding
// accepts any well-formed CBOR, indefinite lengths included, apart from duplicate map keys
// and invalid UTF-8. Field names match exactly. Struct tags are `cbor:"…"`, else `json:"…"`;
// types with MarshalText travel as text.
package cbor
