// SPDX-License-Identifier: Apache-2.0

package cbor

import (
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Set is a CBOR set (tag 258): its elements, each once, in the order in which they were
// added. The codec keeps the order and does not look for duplicates. Typed fields of any
// slice type accept a set, too.
type Set []any

// ByteString is how bytes arrive as a map key in an any.
type ByteString = cbor.ByteString

// Tag is how a tag that this package gives no meaning arrives in an any.
type Tag = cbor.Tag

// RawMessage is CBOR that is written as it is and read without being looked into.
type RawMessage = cbor.RawMessage

// Undefined encodes as undefined, which JavaScript tells from null. Decoding it into an any
// gives nil.
type Undefined struct{}

// MarshalCBOR returns undefined.
func (Undefined) MarshalCBOR() ([]byte, error) { return []byte{0xf7}, nil }

// UnmarshalCBOR accepts undefined and null.
func (*Undefined) UnmarshalCBOR(data []byte) error {
	if len(data) == 1 && (data[0] == 0xf7 || data[0] == 0xf6) {
		return nil
	}
	return fmt.Errorf("cbor: % x is not undefined", data[:min(4, len(data))])
}
