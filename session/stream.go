// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// Stream is the streaming part of a call, at either end. One goroutine may receive and
// one may send at a time; Cancel and the accessors may be called from any.
type Stream struct {
	s    *Session
	id   uint32
	ours bool  // this side made the call
	turn *turn // of the handler, at the serving end

	window window // of what is sent; guarded by s.out.mu
	ended  bool   // CloseSend was called, or nothing may be sent; by the sending goroutine
	credit func() // told when more may be sent; guarded by s.out.mu

	cur     received    // what is being received; by the receiving goroutine, like …
	spent   uint64      // … what it has taken from the window and not yet counted
	dropped atomic.Bool // the rest of cur is not wanted any more

	mu       sync.Mutex
	stop     func() bool // ends the care for the context the stream was opened with; may be nil
	queue    []received
	peer     StreamPeer    // takes over what comes, see passTo; nil mostly
	signal   chan struct{} // a token when there is something new for Recv
	peerEnd  bool          // the peer sends no more items
	endCame  bool          // it has said so in a frame of its own
	over     bool          // the final frame came, or the stream was cut
	shut     atomic.Bool   // the same, to be read without mu
	err      *status.Error // why it was cut
	reply    Reply         // the final frame's
	taken    uint64        // credit used up by what was received
	consumed uint64
	granted  uint64
}

// received is an item that nobody has taken yet, or several: then item has only what they
// have in common.
type received struct {
	buf   *transport.Buffer
	item  Item
	cost  uint64
	bits  uint32
	run   Run
	taken bool // nothing is left, but the last may be looked at
}

func (r *received) empty() bool { return r.taken || r.buf == nil && r.run.n == 0 }

// Item is a message of a stream.
type Item struct {
	Codec    uint8
	Payload  []byte    // the receiver's
	Ext      []byte    // the extension section, see Headers; the receiver's
	Source   uint64    // who sent it, see Session.SourceName
	Sequence uint64    // in the sender's lane
	From     wire.Bind // of a subscription's items: the channel and topic they come from
}

// Open implements Invoker: it begins a call with streams. The stream is cancelled when ctx
// ends, unless it is over by then.
func (r *Route) Open(ctx context.Context, shape wire.Shape, m Message) (*Stream, error) {
	s := r.s
	if shape == wire.Unary {
		return nil, status.Errorf(status.InvalidArgument, "a unary call has no stream")
	}
	x := newStream(s, nil)
	x.ours = true
	x.window.limit = s.peer.limits.Stream
	flags := wire.Flags(0)
	if shape == wire.ServerStream {
		flags, x.ended = wire.FlagEnd, true
	}
	id, err := r.begin(ctx, &m, x, shape, flags)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	x.id = id
	x.mu.Unlock()
	s.recall()
	s.flush(s.calls.pending.Load() > 1)
	if ctx.Done() != nil {
		x.follow(context.AfterFunc(ctx, x.Cancel))
	}
	return x, nil
}

// follow has stop called at the end of the stream, which may have come already.
func (x *Stream) follow(stop func() bool) {
	x.mu.Lock()
	x.stop = stop
	over := x.over
	x.mu.Unlock()
	if over {
		stop()
	}
}

func newStream(s *Session, t *turn) *Stream {
	return &Stream{s: s, turn: t, signal: make(chan struct{}, 1), granted: uint64(s.cfg.StreamWindow)}
}

// Stream returns the streaming part of a call that has one.
func (c *Call) Stream() (*Stream, error) {
	if c.Shape() == wire.Unary {
		return nil, &status.Error{Code: status.WrongShape, Message: "the method has streams: open it as a stream, do not just call it"}
	}
	return c.stream, nil
}

// listen makes the stream of a call that has one, before anything of it can arrive.
func (c *Call) listen() *Stream {
	if c.Shape() == wire.Unary {
		return nil
	}
	x := newStream(c.s, c.t)
	x.id = c.ID
	x.window.limit = c.s.peer.limits.Stream
	x.peerEnd = c.Flags&wire.FlagEnd != 0
	x.ended = c.Shape() == wire.ClientStream
	c.stream = x
	return x
}

// StreamWindows returns how much a stream may send at its beginning: the peer to this
// side, and this side to the peer.
func (s *Session) StreamWindows() (in, out uint64) {
	return uint64(s.cfg.StreamWindow), s.peer.limits.Stream
}

// Session returns the session that the stream belongs to.
func (x *Stream) Session() *Session { return x.s }

// Final implements Sink.
func (x *Stream) Final(f *Frame, err error) {
	x.mu.Lock()
	x.overLocked()
	if err != nil {
		x.err = status.Convert(err)
	} else {
		x.reply = Reply{Codec: f.Codec, Payload: f.private()}
	}
	x.mu.Unlock()
	x.wake()
}

// cancelled ends the stream at the serving end.
func (x *Stream) cancelled(reason *status.Error) {
	x.mu.Lock()
	x.err = reason
	x.overLocked()
	x.mu.Unlock()
	x.wake()
}

// overLocked notes that nothing comes any more, and nothing is wanted.
func (x *Stream) overLocked() {
	x.over, x.peerEnd = true, true
	x.shut.Store(true)
}

// wake wakes both goroutines of the stream.
func (x *Stream) wake() {
	x.notify()
	x.s.out.mu.Lock()
	x.window.wakeLocked()
	told := x.credit
	x.s.out.mu.Unlock()
	if told != nil {
		told()
	}
	x.mu.Lock()
	stop := x.stop
	x.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Credit takes a CREDIT frame.
func (x *Stream) Credit(c wire.Credit) {
	x.mu.Lock()
	p := x.peer
	x.mu.Unlock()
	if p != nil {
		p.Credit(c)
		return
	}
	x.s.out.mu.Lock()
	x.window.grantLocked(c)
	told := x.credit
	x.s.out.mu.Unlock()
	if told != nil {
		told()
	}
}

// OnCredit has f called when TrySend may succeed after it did not, or the stream is over.
// f must not block, nor flush the session: what it sends is flushed after it has returned.
func (x *Stream) OnCredit(f func()) {
	x.s.out.mu.Lock()
	defer x.s.out.mu.Unlock()
	x.credit = f
}

// Acked returns the last lane sequence that the peer has said it took.
func (x *Stream) Acked() uint64 {
	x.s.out.mu.Lock()
	defer x.s.out.mu.Unlock()
	return x.window.acked
}

// Sent returns what the items sent so far have taken from the window, all together.
func (x *Stream) Sent() uint64 {
	x.s.out.mu.Lock()
	defer x.s.out.mu.Unlock()
	return x.window.sent
}

// Consumed returns how much of that belonged to items that the peer says its program has
// taken. OnCredit's function is called when it may have grown: for one item soon after it was
// taken if Message.Acknowledge has asked for that, else when half a window has gathered.
func (x *Stream) Consumed() uint64 {
	x.s.out.mu.Lock()
	defer x.s.out.mu.Unlock()
	return x.window.limit - x.s.peer.limits.Stream
}

// Send sends an item. It waits while the peer withholds credit or the outbox is full, as
// long as ctx lets it.
func (x *Stream) Send(ctx context.Context, m Message) error {
	s := x.s
	h, ext, err := x.itemHeader(&m)
	if err != nil {
		return err
	}
	out := s.outgoing(&m)
	if err := x.await(ctx, len(out.bytes)); err != nil {
		out.drop()
		return err
	}
	x.window.sent += cost(len(m.Payload))
	h.Flags |= out.flag()
	if h.Source != 0 {
		s.introduceLocked(h.Source)
	}
	if len(out.bytes) > fragmentSize {
		if err := s.appendLong(ctx, h, ext, out.bytes, nil, &x.window); err != nil {
			return err
		}
		s.out.mu.Lock()
	} else {
		s.appendLocked(h, ext, out.bytes)
	}
	s.flushOneWayLocked()
	return nil
}

// await returns with out.mu locked, once an item of n bytes may be sent.
func (x *Stream) await(ctx context.Context, n int) error {
	s := x.s
	for {
		if err := x.sendable(); err != nil {
			return err
		}
		if err := s.waitBulk(ctx); err != nil {
			return err
		}
		wait := x.window.waitLocked()
		if wait == nil {
			wait = s.out.longLocked(n, s.peer.limits.Message)
		}
		if wait == nil {
			return nil
		}
		if err := x.parkLocked(ctx, wait); err != nil {
			return err
		}
	}
}

// parkLocked waits for credit or room. The end of the session is no error of its own: the
// stream learns the reason.
func (x *Stream) parkLocked(ctx context.Context, wait <-chan struct{}) error {
	x.s.out.mu.Unlock()
	x.s.flush(false)
	x.leave(ctx)
	select {
	case <-wait:
	case <-x.s.done:
	case <-ctx.Done():
		return ctxError(ctx)
	}
	return nil
}

// TrySend is Send that never waits, nor flushes: false means that the peer has given too
// little credit or the outbox is full; OnCredit tells when to try again. label, if not nil, is a route
// of class label that tells where the item comes from.
func (x *Stream) TrySend(m Message, label *Route) (bool, error) {
	s := x.s
	h, ext, err := x.itemHeader(&m)
	if err != nil {
		return false, err
	}
	if err := x.sendable(); err != nil {
		return false, err
	}
	s.out.lock()
	if s.out.closed {
		s.out.mu.Unlock()
		return false, s.closedError()
	}
	if x.window.sent >= x.window.limit || s.out.hungryLocked(x, x.credit) {
		s.out.mu.Unlock()
		return false, nil
	}
	if label != nil && !s.bindLocked(label) {
		s.out.feedLaterLocked(x, x.credit)
		s.out.mu.Unlock()
		return false, nil
	}
	if label != nil {
		h.Route = label.num
	}
	if m.Source != 0 {
		s.introduceLocked(m.Source)
	}
	x.window.sent += cost(len(m.Payload))
	s.appendLocked(h, ext, m.Payload)
	s.out.mu.Unlock()
	return true, nil
}

// TrySendRun is TrySend for items that came together as publications, in the name of source.
// It returns how many of them, from the first on, were sent; label is not nil.
func (x *Stream) TrySendRun(run Run, source uint64, label *Route) (int, error) {
	s := x.s
	if limit := s.peer.limits.Message; uint64(len(run.b)) > limit {
		return x.tryEach(run, source, label)
	}
	if err := x.sendable(); err != nil {
		return 0, err
	}
	s.out.lock()
	if s.out.closed {
		s.out.mu.Unlock()
		return 0, s.closedError()
	}
	defer s.out.mu.Unlock()
	if x.window.sent >= x.window.limit || s.out.hungryLocked(x, x.credit) {
		return 0, nil
	}
	if !s.bindLocked(label) {
		s.out.feedLaterLocked(x, x.credit)
		return 0, nil
	}
	s.introduceLocked(source)
	fit := run
	if room := x.window.limit - x.window.sent; run.cost >= room {
		fit = run.within(room)
	}
	x.window.sent += fit.cost
	s.appendRunLocked(fit, wire.Header{Kind: wire.KindData, ID: x.id, Route: label.num, Source: source})
	return fit.n, nil
}

// tryEach sends the items of a Run one by one.
func (x *Stream) tryEach(run Run, source uint64, label *Route) (n int, err error) {
	for run.n > 0 {
		f := run.shift()
		m := f.Message()
		m.Source = source
		ok, err := x.TrySend(m, label)
		if !ok {
			return n, err
		}
		n++
	}
	return n, nil
}

func (x *Stream) itemHeader(m *Message) (wire.Header, []byte, error) {
	if limit := x.s.peer.limits.Message; uint64(len(m.Payload)) > limit {
		err := status.Errorf(status.TooLarge, "item of %d bytes, the peer takes at most %d", len(m.Payload), limit)
		err.Details = limitDetails("message", uint64(len(m.Payload)), limit)
		return wire.Header{}, nil, err
	}
	ext, err := m.extensions()
	bits := wire.MakeBits(m.Priority, 0, false)
	if m.Acknowledge {
		bits |= wire.BitAcknowledge
	}
	return wire.Header{
		Kind: wire.KindData, Codec: m.Codec, ID: x.id, Source: m.Source, Sequence: m.Sequence, Bits: bits,
	}, ext, err
}

// sendable returns why nothing can be sent any more.
func (x *Stream) sendable() error {
	if x.ended {
		return &status.Error{Code: status.FailedPrecondition, Message: "nothing is sent in this direction of the stream"}
	}
	if !x.shut.Load() {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return x.err
	}
	return io.EOF
}
