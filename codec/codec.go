// SPDX-License-Identifier: Apache-2.0

package codec

// ID is the number of a codec in a frame header. It is part of the protocol.
type ID uint8

// The codecs that Plexus knows. 7 to 127 are reserved for it; 6 is IDSealed.
const (
	IDRaw         ID = 0
	IDJSON        ID = 1
	IDCBOR        ID = 2
	IDMessagePack ID = 3
	IDProtobuf    ID = 4
	IDFixed       ID = 5
	IDCustom      ID = 128 // the first of those that are free for third parties: 128 to 255
)

// MaxDepth is how deeply the containers of a payload may be nested unless a codec is told
// otherwise: a scalar has depth 0, an array of scalars 1.
const MaxDepth = 32

// Codec is one payload format. The package comment holds its contract: who owns the bytes,
// what hostile input may cause, concurrency, errors. It has four methods because all four
// are facts about one format: what goes on the wire as its number, what people call it, and
// the two directions.
type Codec interface {
	// ID returns the number that names the codec in a frame header; always the same.
	ID() ID
	// Name returns the name that names it in configuration and messages, in lower case;
	// always the same.
	Name() string
	// Append appends the encoding of v to dst and returns the extended slice. A pointer
	// encodes as what it points to. It retains neither dst nor v, nor writes to v; after an
	// error it returns dst unextended. The error is an *Error.
	Append(dst []byte, v any) ([]byte, error)
	// Decode stores the one value that data holds in what the pointer v points to, which
	// should be zero: whether old content is replaced or merged is the format's habit. The
	// result shares no memory with data. The error is an *Error.
	Decode(data []byte, v any) error
}
