// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// An opening message: one that stands alone, or that begins a call. Little-endian.
//
//	 0  u8  version, 1
//	 1  u8  kind: 1 message, 2 request
//	 2  u8  receivers, n; 0 for a message that is signed and not sealed
//	 3  u8  0
//	 4  16  id of the sender's key
//	20  16  epoch of the sender, random
//	36  u64 number within the epoch, from 1
//	44  i64 time, in nanoseconds since 1970
//	52  u8 length and channel, u8 length and name
//	    n receivers: 16 id of the key, u8 suite, HPKE's enc, 48 bytes of the wrapped key
//	    body
//
// One that follows it in the same call:
//
//	 0  u8  version, 1
//	 1  u8  kind: 3 of the side that calls, 4 of the side that answers
//	 2  u16 0
//	 4  16  id of the sender's key
//	20  16  salt, random for each side and call
//	36  u64 number, from 0
//	44      body
//
// The body is AES-256-GCM of: u8 codec, payload, 64 bytes of signature; what stands before
// it is the associated data. A message that is not sealed has it in the clear.
const (
	version = 1

	kindMessage = 1
	kindRequest = 2
	kindCaller  = 3
	kindAnswer  = 4

	fixedSize  = 52
	followSize = 44

	maxReceivers  = 64
	wrappedSize   = 32 + 16
	signatureSize = 64
	sealTag       = 16
)

// opening is the header of a message that stands alone or begins a call.
type opening struct {
	kind          byte
	sender        keyID
	epoch         [16]byte
	count         uint64
	time          int64
	channel, name string
	receivers     []receiver
}

// receiver is one who can open a message.
type receiver struct {
	id           keyID
	suite        Suite
	enc, wrapped []byte
}

// appendScope appends the header without the receivers, which HPKE takes as its info.
func (o *opening) appendScope(dst []byte, n int) []byte {
	dst = append(dst, version, o.kind, byte(n), 0)
	dst = append(dst, o.sender[:]...)
	dst = append(dst, o.epoch[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, o.count)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(o.time))
	dst = append(append(dst, byte(len(o.channel))), o.channel...)
	return append(append(dst, byte(len(o.name))), o.name...)
}

// parseOpening takes a message apart: scope and header are parts of it, body the rest. The
// result points into b.
func parseOpening(b []byte) (o opening, scope, header, body []byte, err error) {
	if len(b) < fixedSize+2 || b[0] != version {
		return o, nil, nil, nil, ErrFormat
	}
	o.kind = b[1]
	n := int(b[2])
	if o.kind != kindMessage && o.kind != kindRequest || n > maxReceivers || b[3] != 0 {
		return o, nil, nil, nil, ErrFormat
	}
	o.sender, o.epoch = keyID(b[4:20]), [16]byte(b[20:36])
	o.count, o.time = binary.LittleEndian.Uint64(b[36:]), int64(binary.LittleEndian.Uint64(b[44:]))
	rest := b[fixedSize:]
	for _, text := range []*string{&o.channel, &o.name} {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return o, nil, nil, nil, ErrFormat
		}
		end := 1 + int(rest[0]) // a byte and one more may be 256
		*text, rest = string(rest[1:end]), rest[end:]
	}
	scope = b[:len(b)-len(rest)]
	for range n {
		var r receiver
		if r, rest, err = parseReceiver(rest); err != nil {
			return o, nil, nil, nil, err
		}
		o.receivers = append(o.receivers, r)
	}
	return o, scope, b[:len(b)-len(rest)], rest, nil
}

func parseReceiver(b []byte) (r receiver, rest []byte, err error) {
	if len(b) < idSize+1 {
		return r, nil, ErrFormat
	}
	r.id, r.suite = keyID(b[:idSize]), Suite(b[idSize])
	if b = b[idSize+1:]; !r.suite.valid() || len(b) < r.suite.encSize()+wrappedSize {
		return r, nil, ErrFormat
	}
	r.enc, b = b[:r.suite.encSize()], b[r.suite.encSize():]
	r.wrapped, b = b[:wrappedSize], b[wrappedSize:]
	return r, b, nil
}

// follow is the header of a message within a call.
type follow struct {
	kind   byte
	sender keyID
	salt   [16]byte
	count  uint64
}

func (f *follow) append(dst []byte) []byte {
	dst = append(dst, version, f.kind, 0, 0)
	dst = append(dst, f.sender[:]...)
	dst = append(dst, f.salt[:]...)
	return binary.LittleEndian.AppendUint64(dst, f.count)
}

func parseFollow(b []byte) (f follow, header, body []byte, err error) {
	if len(b) < followSize || b[0] != version || b[1] != kindCaller && b[1] != kindAnswer || b[2] != 0 || b[3] != 0 {
		return f, nil, nil, ErrFormat
	}
	return follow{b[1], keyID(b[4:20]), [16]byte(b[20:36]), binary.LittleEndian.Uint64(b[36:])}, b[:followSize], b[followSize:], nil
}

// digest names an opening message for what follows it.
func digest(message []byte) [32]byte { return sha256.Sum256(message) }

// clear splits what was in a body: codec, payload, signature.
func splitBody(plain []byte) (codec byte, payload, signature []byte, err error) {
	if len(plain) < 1+signatureSize {
		return 0, nil, nil, ErrFormat
	}
	n := len(plain) - signatureSize
	return plain[0], plain[1:n], plain[n:], nil
}

// String tells what a message says of itself, for errors.
func (o *opening) String() string {
	return fmt.Sprintf("channel %q, name %q", bytes.ToValidUTF8([]byte(o.channel), nil), bytes.ToValidUTF8([]byte(o.name), nil))
}
