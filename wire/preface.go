// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// PrefaceSize is the length of a preface in bytes.
const PrefaceSize = 16

// Version of the protocol that this package speaks. Sides of the same major version
// understand each other; minor versions add what can be ignored.
const (
	Major = 1
	Minor = 0
)

// magic is what a preface holds after its length.
var magic = []byte("PLEXUS")

// Preface is the first frame in each direction: u32 length (16), "PLEXUS", u8 major,
// u8 minor, CR LF CR LF, by which a peer that reads lines (HTTP, SMTP) answers at once
// instead of waiting for more. The last four are not looked at. It has no header.
type Preface struct{ Major, Minor uint8 }

// AppendPreface appends p.
func AppendPreface(dst []byte, p Preface) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, PrefaceSize)
	dst = append(dst, magic...)
	return append(dst, p.Major, p.Minor, '\r', '\n', '\r', '\n')
}

// ParsePreface returns the preface in frame, or an error that guesses what the peer
// speaks instead.
func ParsePreface(frame []byte) (Preface, error) {
	if len(frame) != PrefaceSize || binary.LittleEndian.Uint32(frame) != PrefaceSize || !bytes.Equal(frame[4:10], magic) {
		return Preface{}, fmt.Errorf("wire: no Plexus preface: %s", Guess(frame))
	}
	return Preface{Major: frame[10], Minor: frame[11]}, nil
}

// Guess names the protocol whose first bytes these are, as well as one can.
func Guess(head []byte) string {
	for _, g := range foreign {
		if bytes.HasPrefix(head, []byte(g.prefix)) {
			return "the peer speaks " + g.name
		}
	}
	return fmt.Sprintf("the peer speaks something else (starts with %q)", head[:min(len(head), 16)])
}

var foreign = []struct{ prefix, name string }{
	{"GET ", "HTTP"}, {"POST", "HTTP"}, {"PUT ", "HTTP"}, {"HEAD", "HTTP"}, {"OPTI", "HTTP"}, {"HTTP", "HTTP"},
	{"PRI ", "HTTP/2 (gRPC?)"}, {"\x16\x03", "TLS"}, {"SSH-", "SSH"}, {"CONNECT", "NATS or HTTP"}, {"INFO ", "NATS"},
	{"Content-Length", "JSON-RPC with Content-Length framing"}, {"{", "JSON lines"}, {"\xff\x00\x00\x00\x00\x00\x00\x00", "ZeroMQ"},
	{"l\x01", "D-Bus"}, {"\x00AUTH", "D-Bus"}, {"\x00\x00\x00", "length-prefixed frames of another protocol"},
}
