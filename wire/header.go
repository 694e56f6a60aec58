// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"slices"
)

// HeaderSize is the length of a header in bytes.
const HeaderSize = 40

// MaxExtensions is the longest extension section in bytes: 255 words of 8.
const MaxExtensions = 255 * 8

// Kind says what a frame is.
type Kind uint8

// The kinds. Numbers below 16 are control, 16 and above carry messages. 13 is reserved
// for INTRODUCE (direct paths between members).
const (
	KindHello     Kind = 1  // JSON Hello, the first frame after the preface
	KindAuth      Kind = 2  // JSON Auth
	KindUpgrade   Kind = 3  // JSON Upgrade
	KindBind      Kind = 4  // gives a route its meaning
	KindRevoke    Kind = 5  // ends a route
	KindSource    Kind = 6  // names a source
	KindCredit    Kind = 7  // allows more bytes and acknowledges what was taken
	KindCancel    Kind = 8  // the caller wants no answer any more
	KindAbort     Kind = 9  // an unfinished message is withdrawn
	KindPing      Kind = 10 // asks for a pong with the same payload
	KindPong      Kind = 11
	KindGoaway    Kind = 12 // no new calls from here on; a Status says why
	KindIntroduce Kind = 13 // reserved
	KindCall      Kind = 16 // begins a call
	KindData      Kind = 17 // an item of a stream
	KindReply     Kind = 18 // the one final frame of a call that succeeded
	KindFail      Kind = 19 // the one final frame of a call that failed; a Status
	KindEvent     Kind = 20 // a one-way message
	KindPublish   Kind = 21 // a publication
)

var kindNames = map[Kind]string{
	KindHello: "HELLO", KindAuth: "AUTH", KindUpgrade: "UPGRADE", KindBind: "BIND", KindRevoke: "REVOKE",
	KindSource: "SOURCE", KindCredit: "CREDIT", KindCancel: "CANCEL", KindAbort: "ABORT", KindPing: "PING",
	KindPong: "PONG", KindGoaway: "GOAWAY", KindIntroduce: "INTRODUCE", KindCall: "CALL", KindData: "DATA",
	KindReply: "REPLY", KindFail: "FAIL", KindEvent: "EVENT", KindPublish: "PUBLISH",
}

// String returns the kind's name as docs/protocol.md writes it.
func (k Kind) String() string {
	if n, ok := kindNames[k]; ok {
		return n
	}
	return "UNKNOWN"
}

// Flags qualify a frame.
type Flags uint8

// The flags.
const (
	FlagIgnorable Flags = 1 << 0 // a receiver that does not know the kind skips the frame
	FlagMore      Flags = 1 << 1 // the message goes on in another frame of the same kind and id or route
	FlagEnd       Flags = 1 << 2 // the last message in this direction; on REVOKE: said by the side that accepted the route
	FlagOneWay    Flags = 1 << 3 // no answer is wanted
	FlagLent      Flags = 1 << 4 // the payload describes a block of memory that both sides share; only after an upgrade that has such
)

// Shape says which streams a call has besides its request and its final answer.
type Shape uint8

// The shapes.
const (
	Unary        Shape = 0 // one request, one reply
	ServerStream Shape = 1 // one request, items back
	ClientStream Shape = 2 // items out, one reply
	Duplex       Shape = 3 // items both ways
)

// String returns the shape's name.
func (s Shape) String() string {
	return [...]string{"unary", "server stream", "client stream", "duplex"}[s&3]
}

// Header is the fixed part of a frame. Length and ExtWords are set by the functions that
// append a whole frame.
type Header struct {
	Length   uint32
	Kind     Kind
	Flags    Flags
	Codec    uint8
	ExtWords uint8
	ID       uint32 // call or stream, 0 if none
	Route    uint32 // chosen by the sender of the frame, 0 if none
	Source   uint64 // the member who sent it; overwritten by a hub; 0: the peer itself
	Sequence uint64 // of the lane, from 1; 0 outside lanes
	Deadline uint32 // microseconds that remain, 0 for none
	Bits     uint32 // see Priority, Shape, Idempotent
}

// Priority returns the priority, 0 (normal) to 7 (most urgent).
func (h *Header) Priority() uint8 { return uint8(h.Bits & 7) }

// Shape returns the shape of a CALL.
func (h *Header) Shape() Shape { return Shape(h.Bits >> 4 & 3) }

// Idempotent reports whether the caller declared that the call may be repeated.
func (h *Header) Idempotent() bool { return h.Bits&bitIdempotent != 0 }

// Acknowledge reports whether the sender of a DATA wants to know at once when it is taken.
func (h *Header) Acknowledge() bool { return h.Bits&BitAcknowledge != 0 }

const bitIdempotent = 1 << 8

// BitAcknowledge in the bits of a DATA asks for CREDIT as soon as the item has been taken.
const BitAcknowledge = 1 << 9

// MakeBits returns the value of the bits field.
func MakeBits(priority uint8, shape Shape, idempotent bool) uint32 {
	b := uint32(priority&7) | uint32(shape&3)<<4
	if idempotent {
		b |= bitIdempotent
	}
	return b
}

// AppendHeader appends the 40 bytes of h as they are.
func AppendHeader(dst []byte, h *Header) []byte {
	n := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	PutHeader(dst[n:], h)
	return dst
}

// PutHeader writes the 40 bytes of h to dst, which must be long enough.
func PutHeader(dst []byte, h *Header) {
	_ = dst[HeaderSize-1]
	binary.LittleEndian.PutUint32(dst, h.Length)
	dst[4], dst[5], dst[6], dst[7] = byte(h.Kind), byte(h.Flags), h.Codec, h.ExtWords
	binary.LittleEndian.PutUint32(dst[8:], h.ID)
	binary.LittleEndian.PutUint32(dst[12:], h.Route)
	binary.LittleEndian.PutUint64(dst[16:], h.Source)
	binary.LittleEndian.PutUint64(dst[24:], h.Sequence)
	binary.LittleEndian.PutUint32(dst[32:], h.Deadline)
	binary.LittleEndian.PutUint32(dst[36:], h.Bits)
}

// AppendFrame appends a whole frame: h with its length and extension length corrected,
// ext (whose length must be a multiple of 8, at most MaxExtensions) and payload.
func AppendFrame(dst []byte, h Header, ext, payload []byte) []byte {
	n, size := len(dst), HeaderSize+len(ext)+len(payload)
	h.ExtWords = uint8(len(ext) / 8)
	h.Length = uint32(size)
	dst = slices.Grow(dst, size)[:n+size]
	frame := dst[n:]
	PutHeader(frame, &h)
	copy(frame[HeaderSize:], ext)
	copy(frame[HeaderSize+len(ext):], payload)
	return dst
}

// Redirect overwrites in the frame that p begins with what a forwarder of a message changes:
// kind, flags, id, route and source become those of h, the deadline goes, of the bits only
// the priority stays. It returns the length of the frame, which must be well formed.
func Redirect(p []byte, h *Header) int {
	_ = p[HeaderSize-1]
	p[4], p[5] = byte(h.Kind), byte(h.Flags)
	binary.LittleEndian.PutUint32(p[8:], h.ID)
	binary.LittleEndian.PutUint32(p[12:], h.Route)
	binary.LittleEndian.PutUint64(p[16:], h.Source)
	binary.LittleEndian.PutUint64(p[32:], uint64(p[36]&7)<<32)
	return int(binary.LittleEndian.Uint32(p))
}

// Errors of the parse functions. They say that the peer broke the protocol.
var (
	ErrShort     = errors.New("wire: frame ends early")
	ErrLength    = errors.New("wire: length field and frame differ")
	ErrExtension = errors.New("wire: malformed extension")
	ErrName      = errors.New("wire: malformed name")
	ErrTrailing  = errors.New("wire: bytes after the end of a control message")
	ErrKind      = errors.New("wire: frame of an unknown kind")
)

// ParseFrame splits a whole frame into header, extensions and payload.
func ParseFrame(frame []byte) (h Header, ext, payload []byte, err error) {
	if len(frame) < HeaderSize {
		return h, nil, nil, ErrShort
	}
	h = Header{
		Length: binary.LittleEndian.Uint32(frame), Kind: Kind(frame[4]), Flags: Flags(frame[5]),
		Codec: frame[6], ExtWords: frame[7],
		ID: binary.LittleEndian.Uint32(frame[8:]), Route: binary.LittleEndian.Uint32(frame[12:]),
		Source: binary.LittleEndian.Uint64(frame[16:]), Sequence: binary.LittleEndian.Uint64(frame[24:]),
		Deadline: binary.LittleEndian.Uint32(frame[32:]), Bits: binary.LittleEndian.Uint32(frame[36:]),
	}
	if int(h.Length) != len(frame) {
		return h, nil, nil, ErrLength
	}
	body := HeaderSize + int(h.ExtWords)*8
	if body > len(frame) {
		return h, nil, nil, ErrShort
	}
	return h, frame[HeaderSize:body], frame[body:], nil
}
