// SPDX-License-Identifier: Apache-2.0

package wire

import "encoding/binary"

// Class says what a route leads to.
type Class uint8

// The classes.
const (
	ClassMethod    Class = 1 // calls of a method
	ClassEvent     Class = 2 // events to one: the target, or who provides the name
	ClassBroadcast Class = 3 // events to all members of a channel
	ClassTopic     Class = 4 // publications
	ClassLabel     Class = 5 // leads nowhere: tells where the items of a subscription come from
)

// String returns the class's name.
func (c Class) String() string {
	switch c {
	case ClassMethod:
		return "method"
	case ClassEvent:
		return "event"
	case ClassBroadcast:
		return "broadcast"
	case ClassTopic:
		return "topic"
	case ClassLabel:
		return "label"
	}
	return "unknown"
}

// Bind is the payload of BIND: what the route in the header means from now on. Names are
// at most 255 bytes; whether they are proper names is for others to judge.
type Bind struct {
	Class   Class
	Channel string
	Name    string
	Target  string // a member id, or "" for whoever it concerns
}

// AppendBind appends u8 class and three strings, each with a u8 length before it.
func AppendBind(dst []byte, b Bind) []byte {
	dst = append(dst, byte(b.Class))
	dst = appendString8(dst, b.Channel)
	dst = appendString8(dst, b.Name)
	return appendString8(dst, b.Target)
}

func appendString8(dst []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	dst = append(dst, byte(len(s)))
	return append(dst, s...)
}

// ParseBind parses the payload of BIND. The strings are copies.
func ParseBind(p []byte) (b Bind, err error) {
	if len(p) < 1 {
		return b, ErrShort
	}
	b.Class, p = Class(p[0]), p[1:]
	for _, s := range []*string{&b.Channel, &b.Name, &b.Target} {
		if *s, p, err = string8(p); err != nil {
			return Bind{}, err
		}
	}
	if len(p) > 0 {
		return Bind{}, ErrTrailing
	}
	return b, nil
}

func string8(p []byte) (string, []byte, error) {
	if len(p) < 1 || len(p) < 1+int(p[0]) {
		return "", nil, ErrShort
	}
	n := 1 + int(p[0])
	return string(p[1:n]), p[n:], nil
}

// Credit is the payload of CREDIT. The header's id names a stream, or else its route a
// route that the receiver of the CREDIT has bound.
type Credit struct {
	Limit uint64 // payload bytes + 64 per message that may have been sent in all
	Acked uint64 // the last lane sequence that was taken
}

// CreditSize is the length of the payload of CREDIT.
const CreditSize = 16

// MessageCost is what a message costs in credit besides the bytes of its payload.
const MessageCost = 64

// AppendCredit appends c.
func AppendCredit(dst []byte, c Credit) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, c.Limit)
	return binary.LittleEndian.AppendUint64(dst, c.Acked)
}

// ParseCredit parses the payload of CREDIT.
func ParseCredit(p []byte) (Credit, error) {
	if len(p) != CreditSize {
		return Credit{}, ErrShort
	}
	return Credit{binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])}, nil
}

// Source is the payload of SOURCE: which member the number in the header's source field
// stands for, from now on.
type Source struct{ Member string }

// AppendSource appends s.
func AppendSource(dst []byte, s Source) []byte { return appendString8(dst, s.Member) }

// ParseSource parses the payload of SOURCE.
func ParseSource(p []byte) (Source, error) {
	s, rest, err := string8(p)
	if err == nil && len(rest) > 0 {
		err = ErrTrailing
	}
	return Source{s}, err
}

// Status is the payload of FAIL, REVOKE, ABORT and GOAWAY: u16 code, u8 retry (0 as the
// code says, 1 safe, 2 unsafe), u8 zero, u32 length of the message, message, details.
type Status struct {
	Code    uint16
	Retry   uint8
	Message []byte
	Details []byte
}

// AppendStatus appends s.
func AppendStatus(dst []byte, s Status) []byte {
	dst = binary.LittleEndian.AppendUint16(dst, s.Code)
	dst = append(dst, s.Retry, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.Message)))
	dst = append(dst, s.Message...)
	return append(dst, s.Details...)
}

// ParseStatus parses a status payload; an empty one is the zero Status.
func ParseStatus(p []byte) (s Status, err error) {
	if len(p) == 0 {
		return s, nil
	}
	if len(p) < 8 {
		return s, ErrShort
	}
	n := binary.LittleEndian.Uint32(p[4:])
	if uint64(n) > uint64(len(p)-8) {
		return s, ErrShort
	}
	s = Status{Code: binary.LittleEndian.Uint16(p), Retry: p[2], Message: p[8 : 8+n]}
	if rest := p[8+n:]; len(rest) > 0 {
		s.Details = rest
	}
	return s, nil
}
