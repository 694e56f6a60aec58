// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// lendFrom is the payload length from which on a block of shared memory costs less than to
// copy the payload through frames (limits.md of the research, finding 11).
const lendFrom = 16 << 10

// Loan is a payload that is passed by reference where both sides share memory, and is an
// ordinary piece of memory elsewhere: the program is the same, only the copies differ. There
// are two: one that Lend has made, to be filled and sent as Message.Loan, which ends it; and
// one that has come, to be read and then released. A Loan belongs to one goroutine at a time.
type Loan struct {
	bytes []byte
	block transport.Block   // of one to be sent; nil: the bytes are copied when they are
	from  *Session          // where block may be sent
	buf   *transport.Buffer // of one that has come
}

// Lend returns n bytes, not zeroed, to be filled and sent by this session without another
// copy if its peer shares memory with it and there is room; else they are copied when they
// are sent. What is neither sent nor released is given back with the session.
func (s *Session) Lend(n int) *Loan {
	if s.lender != nil && n >= minLoan {
		if b, err := s.lender.Lend(n); err == nil {
			return &Loan{bytes: b.Bytes(), block: b, from: s}
		}
	}
	return &Loan{bytes: make([]byte, n)}
}

// LendFor returns a Loan of n bytes for the answer to the call whose handler runs with ctx.
func LendFor(ctx context.Context, n int) *Loan {
	if in, ok := FromContext(ctx); ok {
		return in.Session.Lend(n)
	}
	return &Loan{bytes: make([]byte, n)}
}

// copyPiece is how much is copied at a time. From 1 MiB on Go's copy writes past the caches
// (runtime/memmove_amd64.s), and who reads it next, mostly at once and on another core,
// would find it in memory only: that doubles what passing on a long payload costs.
const copyPiece = 256 << 10

// copyLong is copy for payloads of any length.
func copyLong(dst, src []byte) {
	for len(src) > copyPiece {
		copy(dst, src[:copyPiece])
		dst, src = dst[copyPiece:], src[copyPiece:]
	}
	copy(dst, src)
}

// privateCopy returns a copy of p, nil of nothing.
func privateCopy(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	own := make([]byte, len(p))
	copyLong(own, p)
	return own
}

// CopyLoan returns a Loan that has come, with a private copy of p.
func CopyLoan(p []byte) *Loan { return &Loan{bytes: privateCopy(p)} }

// minLoan is the shortest Loan that is worth a block.
const minLoan = 1 << 10

// Bytes returns the memory: to be written before the Loan is sent, to be read only if it has
// come. What has come may be in memory that the sender can still write: a program that does
// not trust the sender copies before it checks. nil after the Loan has ended.
func (l *Loan) Bytes() []byte { return l.bytes }

// Release gives the memory back. A second Release, or one after sending, does nothing.
func (l *Loan) Release() {
	if l.block != nil {
		l.block.Drop()
	}
	if l.buf != nil {
		l.buf.Release()
	}
	*l = Loan{}
}

// Loan returns the frame's payload as a Loan, which outlives the frame and must be released.
// It is the sender's block itself if the frame came by reference.
func (f *Frame) Loan() *Loan {
	buf := f.Take()
	if !buf.Foreign() {
		buf = buf.Compact()
	}
	b := buf.Bytes()
	return &Loan{bytes: b[len(b)-len(f.Payload):], buf: buf}
}

// outgoing is a payload on its way out: the bytes for the frame, which are the payload, or
// the descriptor of a block that holds it.
type outgoing struct {
	bytes []byte
	block transport.Block
}

// outgoing puts a message's payload into a block if that is worth it. It must not be called
// with a lock held.
func (s *Session) outgoing(m *Message) outgoing {
	if l := m.Loan; l != nil && l.block != nil && l.from == s && len(m.Payload) > 0 {
		b := l.block
		*l = Loan{}
		return give(b, len(m.Payload))
	}
	if s.lender == nil || len(m.Payload) < lendFrom {
		return outgoing{bytes: m.Payload}
	}
	b, err := s.lender.Lend(len(m.Payload))
	if err != nil {
		return outgoing{bytes: m.Payload}
	}
	copyLong(b.Bytes(), m.Payload)
	return give(b, len(m.Payload))
}

func give(b transport.Block, n int) outgoing {
	return outgoing{bytes: b.Give(make([]byte, 0, transport.MaxDescriptor), n), block: b}
}

// flag returns what the frame's header says of the payload.
func (p *outgoing) flag() wire.Flags {
	if p.block == nil {
		return 0
	}
	return wire.FlagLent
}

// drop takes the block back if the frame was not appended after all.
func (p *outgoing) drop() {
	if p.block != nil {
		p.block.Drop()
	}
}

// InPlacer is what a Target may also be: one that reads a payload where the sender has put
// it, where that is possible. All others get a private copy.
type InPlacer interface {
	// InPlace is asked for each frame that came by reference.
	InPlace() bool
}

// borrow replaces the descriptor of a lent payload by the payload, in place only if who gets
// it copies it in any case or has asked for that. It releases buf and returns what holds the
// payload from now on; nil means that the peer has lied and the session has ended.
func (s *Session) borrow(f *Frame, buf *transport.Buffer) *transport.Buffer {
	defer buf.Release()
	if s.lender == nil || f.Flags&wire.FlagMore != 0 || f.Kind < wire.KindCall || f.Kind == wire.KindFail {
		s.violated("%s with a lent payload", f.Kind)
		return nil
	}
	lent, err := s.lender.Borrow(f.Payload)
	if err != nil {
		s.violated("%w", err)
		return nil
	}
	f.Flags &^= wire.FlagLent
	if f.Payload = lent.Bytes(); s.readsInPlace(f) {
		f.Ext = append([]byte(nil), f.Ext...) // its frame goes
		f.buf = lent
		return lent
	}
	own := make([]byte, len(f.Ext)+len(f.Payload))
	copyLong(own[copy(own, f.Ext):], f.Payload)
	f.buf = transport.WrapBuffer(own)
	f.Ext, f.Payload = parts(f, f.buf)
	lent.Release()
	return f.buf
}

// readsInPlace reports whether who gets the frame may see memory that the peer can write:
// the sinks of calls and streams copy what they take.
func (s *Session) readsInPlace(f *Frame) bool {
	if f.Kind == wire.KindReply || f.Kind == wire.KindData {
		return true
	}
	if len(f.Payload) > s.cfg.MaxMessage {
		return true // it is refused unread
	}
	if r := s.inRouteOf(f.Route); r != nil {
		if t, ok := r.target.(InPlacer); ok {
			return t.InPlace()
		}
	}
	return false
}
