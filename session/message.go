// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// Message is what is sent: a payload and what travels with it. It is passed by value, so
// that none is allocated. The session does not keep Payload, Headers or Ext after the
// function that took the Message has returned.
type Message struct {
	// Codec tells how Payload is encoded (codec.ID).
	Codec uint8
	// Payload is the encoded value.
	Payload []byte
	// Loan, if not nil, is the memory that Payload is in, from its beginning. Sending ends
	// it; if that fails it may still have to be released, and Release never harms.
	Loan *Loan
	// InPlace asks for a call's answer as Reply.Loan.
	InPlace bool
	// Headers travel with the message, nil for none.
	Headers []wire.Pair
	// Priority is 0 (normal) to 7 (most urgent).
	Priority uint8
	// Acknowledge asks the receiver of an item for credit as soon as it has been taken, see
	// Stream.Consumed.
	Acknowledge bool
	// Idempotent says that a call may be executed twice.
	Idempotent bool
	// Once, if not nil, numbers a call that may be sent again after a cut: its provider then
	// executes it once. It goes with Idempotent.
	Once *Once
	// Time is when the message was made, in nanoseconds since 1970; 0 leaves it out.
	Time int64

	// Source, Sequence and Ext are for forwarders (a hub): who sent the message, its
	// place in the sender's lane, and the extension section as it came, which then
	// stands instead of Headers, Time and Once.
	Source   uint64
	Sequence uint64
	Ext      []byte
	// Deadline is the remaining time in microseconds, also for forwarders; 0 takes that
	// of the context.
	Deadline uint32
}

// Reply is the answer to a call. Payload belongs to the caller; Loan, which is only there if
// Message.InPlace has asked for it, stands instead and must be released.
type Reply struct {
	Codec   uint8
	Payload []byte
	Loan    *Loan
}

// Invoker calls one method. A *Route is one, and so are the handles of client and hub.
type Invoker interface {
	// Call sends the request and waits for the answer, whose payload is appended to dst.
	// It returns a *status.Error for every failure: ctx's end, the peer's, and what the
	// handler reports.
	Call(ctx context.Context, m Message, dst []byte) (Reply, error)
	// Open begins a call that has streams. The request is m.
	Open(ctx context.Context, shape wire.Shape, m Message) (*Stream, error)
}

// Emitter sends one-way messages to one place: an event or a publication each.
type Emitter interface {
	// Emit queues m and returns; it blocks while the receiver withholds credit or the
	// outbox is full, as long as ctx lets it. The first Emit also waits until the other
	// side has accepted the route, so that a refusal is never silent.
	Emit(ctx context.Context, m Message) error
}

// Frame is a message as it arrived. It is valid until the function it was given to
// returns, except for what Take has kept.
type Frame struct {
	wire.Header
	// Ext and Payload point into a transport.Buffer.
	Ext, Payload []byte

	buf   *transport.Buffer
	at    int  // of the frame in buf, if it is a part of it
	part  bool // buf holds other frames, too
	boxed bool // the frame is the last that was taken out of the inbox
	route *inRoute
}

// Take returns the Buffer that holds Ext and Payload, with a reference of the caller's
// own, which must be released. The Buffer may hold more than the frame.
func (f *Frame) Take() *transport.Buffer {
	if f.part {
		return f.buf.View(f.at, f.at+int(f.Length))
	}
	return f.buf.Retain()
}

// Keep returns what a forwarder stores: the frame's Message, for which it needs little more
// memory than it must, and the Buffer that its Ext and Payload point into, to be released.
func (f *Frame) Keep() (Message, *transport.Buffer) {
	buf := f.Take().Compact()
	m := f.Message()
	m.Ext, m.Payload = parts(f, buf)
	return m, buf
}

// MakePrivate replaces a payload that the peer could still change by a copy: for a Target
// that reads in place, or a Sink, before it judges what is in it.
func (f *Frame) MakePrivate() {
	if f.buf != nil && f.buf.Foreign() {
		f.Payload = privateCopy(f.Payload)
		f.buf = transport.WrapBuffer(f.Payload)
	}
}

// forget lets go of the memory that f points into: whoever rests keeps nothing.
func (f *Frame) forget() { f.Ext, f.Payload, f.buf = nil, nil, nil }

// private returns the payload as the caller's own.
func (f *Frame) private() []byte {
	if p, ok := f.Owned(); ok {
		return p
	}
	return privateCopy(f.Payload)
}

// Owned returns the payload without a copy if nobody else refers to its memory: the caller
// may keep it. It is so where a long message was put together.
func (f *Frame) Owned() ([]byte, bool) { return f.Payload, !f.part && f.buf.Private() }

// Message returns what a forwarder sends on: the same payload, codec and extensions.
func (f *Frame) Message() Message {
	return Message{
		Codec: f.Codec, Payload: f.Payload, Ext: f.Ext, Priority: f.Priority(), Idempotent: f.Idempotent(),
		Source: f.Source, Sequence: f.Sequence, Deadline: f.Deadline,
	}
}

// Remaining returns the time that is left for a call, 0 if it has no deadline.
func (f *Frame) Remaining() time.Duration { return time.Duration(f.Deadline) * time.Microsecond }

// Headers returns the headers that came with a frame's extensions, nil if there are none
// or they are malformed.
func Headers(ext []byte) []wire.Pair {
	data, err := wire.FindExtension(ext, wire.ExtHeaders)
	if err != nil || data == nil {
		return nil
	}
	pairs, err := wire.ParseHeaders(nil, data)
	if err != nil {
		return nil
	}
	return pairs
}

// Timestamp returns when the sender says it made the message, the zero Time if it does not.
func Timestamp(ext []byte) time.Time {
	data, err := wire.FindExtension(ext, wire.ExtTimestamp)
	if err != nil || len(data) != 8 {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.LittleEndian.Uint64(data)))
}

// extensions returns the extension section of m: as it is for forwarders, else built.
func (m *Message) extensions() ([]byte, error) {
	if m.Ext != nil || len(m.Headers) == 0 && m.Time == 0 && m.Once == nil {
		return m.Ext, nil
	}
	var ext []byte
	if m.Once != nil {
		ext = wire.AppendExtension(ext, wire.ExtOnce, wire.AppendOnce(nil, *m.Once))
	}
	if len(m.Headers) > 0 {
		data, ok := wire.AppendHeaders(nil, m.Headers)
		if !ok {
			return nil, status.Errorf(status.InvalidArgument, "headers are malformed or longer than %d bytes together", wire.MaxExtensions)
		}
		ext = wire.AppendExtension(ext, wire.ExtHeaders, data)
	}
	if m.Time != 0 {
		ext = wire.AppendExtension(ext, wire.ExtTimestamp, binary.LittleEndian.AppendUint64(nil, uint64(m.Time)))
	}
	if len(ext) > wire.MaxExtensions {
		return nil, status.Errorf(status.InvalidArgument, "headers take %d bytes, allowed are %d", len(ext), wire.MaxExtensions)
	}
	return ext, nil
}

// cost is what a message of n payload bytes takes from a window.
func cost(n int) uint64 { return uint64(n) + wire.MessageCost }
