// SPDX-License-Identifier: Apache-2.0

package codec

// IDSealed is the number of payloads that are signed and sealed between the ends, see package
// seal. Nobody in between can judge them.
const IDSealed ID = 6

// Exclusive is a Codec beside which a receiver takes no other: what comes in another lacks
// what this one proves.
type Exclusive interface {
	Codec
	// Exclusive does nothing.
	Exclusive()
}

// Dialogue is a Codec for which an answer belongs to its request. Itself it carries messages
// that have no answer; each call has a codec of its own at either end, made by Begin or
// Answer, which need not be safe for concurrent use beyond one goroutine that appends and one that decodes.
type Dialogue interface {
	Exclusive
	// Begin returns the codec of a call for the side that calls.
	Begin() Codec
	// Answer returns the codec of a call for the side that serves it.
	Answer() Codec
}
