// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"io"
	"sync"

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

	mu       sync.Mutex
	stop     func() bool // ends the care for the context the stream was opened with; may be nil
	queue    []received
	signal   chan struct{} // a token when there is something new for Recv
	peerEnd  bool          // the peer sends no more items
	passed   bool          // its end was passed on, or was part of the request
	over     bool          // the final frame came, or the stream was cut
	err      *status.Error // why it was cut
	reply    Reply         // the final frame's
	taken    uint64        // credit used up by what was received
	consumed uint64
	granted  uint64
}

// received is an item that nobody has taken yet.
type received struct {
	buf  *transport.Buffer
	item Item
	cost uint64
}

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
	x.passed = x.peerEnd
	x.ended = c.Shape() == wire.ClientStream
	c.stream = x
	return x
}

// pass gives what has come for a detached call to who takes it from now on. It returns
// false once there is nothing left and the entry is who's.
func (x *Stream) pass(to StreamPeer) bool {
	x.mu.Lock()
	queue, end := x.queue, x.peerEnd && !x.passed
	x.queue, x.passed = nil, x.passed || end
	x.mu.Unlock()
	for _, r := range queue {
		to.Item(&Frame{
			Header: wire.Header{Kind: wire.KindData, Codec: r.item.Codec, ID: x.id, Source: r.item.Source, Sequence: r.item.Sequence},
			Ext:    r.item.Ext, Payload: r.item.Payload, buf: r.buf,
		})
		r.buf.Release()
	}
	if end {
		to.Item(&Frame{Header: wire.Header{Kind: wire.KindData, Flags: wire.FlagEnd, ID: x.id}})
	}
	return len(queue) > 0 || end
}

// StreamWindows returns how much a stream may send at its beginning: the peer to this
// side, and this side to the peer.
func (s *Session) StreamWindows() (in, out uint64) {
	return uint64(s.cfg.StreamWindow), s.peer.limits.Stream
}

// Session returns the session that the stream belongs to.
func (x *Stream) Session() *Session { return x.s }

// Item implements Sink and takes an item from the peer.
func (x *Stream) Item(f *Frame) {
	if f.Flags&wire.FlagEnd != 0 {
		x.mu.Lock()
		x.peerEnd = true
		x.mu.Unlock()
		x.notify()
		return
	}
	r := received{buf: f.Take().Compact(), cost: cost(len(f.Payload))}
	r.item = Item{Codec: f.Codec, Source: f.Source, Sequence: f.Sequence}
	if f.Route != 0 {
		if route := x.s.inRouteOf(f.Route); route != nil {
			r.item.From = route.bind
		}
	}
	r.item.Ext, r.item.Payload = parts(f, r.buf)
	x.mu.Lock()
	over := x.taken >= x.granted
	x.taken += r.cost
	if x.over || over {
		x.mu.Unlock()
		r.buf.Release()
		if over {
			x.s.violated("more than the credit was sent on stream %d", x.id)
		}
		return
	}
	x.queue = append(x.queue, r)
	x.mu.Unlock()
	x.notify()
}

// parts finds the extensions and payload of f in the Buffer that was kept of it, which
// holds the frame from its start, or the payload alone if it was put together.
func parts(f *Frame, buf *transport.Buffer) (ext, payload []byte) {
	b := buf.Bytes()
	if len(b) == len(f.Payload) {
		return append([]byte(nil), f.Ext...), b
	}
	head := len(b) - len(f.Payload)
	return b[head-len(f.Ext) : head], b[head:]
}

func (x *Stream) notify() {
	select {
	case x.signal <- struct{}{}:
	default:
	}
}

// Final implements Sink.
func (x *Stream) Final(f *Frame, err error) {
	x.mu.Lock()
	x.over, x.peerEnd = true, true
	if err != nil {
		x.err = status.Convert(err)
	} else {
		x.reply = Reply{Codec: f.Codec, Payload: append([]byte(nil), f.Payload...)}
	}
	x.mu.Unlock()
	x.wake()
}

// cancelled ends the stream at the serving end.
func (x *Stream) cancelled(reason *status.Error) {
	x.mu.Lock()
	x.over, x.peerEnd, x.err = true, true, reason
	x.mu.Unlock()
	x.wake()
}

// wake wakes both goroutines of the stream.
func (x *Stream) wake() {
	x.notify()
	x.s.out.mu.Lock()
	if x.window.more != nil {
		close(x.window.more)
		x.window.more = nil
	}
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

// Recv returns the next item, its payload appended to dst. After the last item it returns
// io.EOF, after a failure the *status.Error. At the end of ctx the stream goes on.
func (x *Stream) Recv(ctx context.Context, dst []byte) (Item, error) {
	for {
		if item, ok, err := x.next(dst); ok || err != nil {
			return item, err
		}
		x.s.flush(false)
		x.leave(ctx)
		select {
		case <-x.signal:
		case <-ctx.Done():
			return Item{}, ctxError(ctx)
		}
	}
}

// leave hands the reading role on before the stream's goroutine waits.
func (x *Stream) leave(ctx context.Context) {
	if x.turn != nil {
		x.turn.handOff()
		return
	}
	handOff(ctx)
}

// next takes an item that has come already.
func (x *Stream) next(dst []byte) (Item, bool, error) {
	x.mu.Lock()
	if len(x.queue) == 0 {
		defer x.mu.Unlock()
		if x.err != nil {
			return Item{}, false, x.err
		}
		if x.peerEnd {
			return Item{}, false, io.EOF
		}
		return Item{}, false, nil
	}
	r := x.queue[0]
	x.queue[0] = received{}
	if x.queue = x.queue[1:]; len(x.queue) == 0 {
		x.queue = nil
	}
	grant := x.consumeLocked(r.cost)
	x.mu.Unlock()
	item := r.item
	item.Payload = append(dst, item.Payload...)
	item.Ext = append([]byte(nil), item.Ext...)
	r.buf.Release()
	if grant != 0 {
		x.s.control(wire.Header{Kind: wire.KindCredit, ID: x.id}, wire.AppendCredit(nil, wire.Credit{Limit: grant, Acked: item.Sequence}))
	}
	return item, true, nil
}

// consumeLocked returns the new limit if it is time to tell the peer, else 0.
func (x *Stream) consumeLocked(n uint64) uint64 {
	window := uint64(x.s.cfg.StreamWindow)
	x.consumed += n
	limit := x.consumed + window
	if x.over || x.peerEnd || limit-x.granted < window/2 {
		return 0
	}
	x.granted = limit
	return limit
}

// Credit takes a CREDIT frame.
func (x *Stream) Credit(c wire.Credit) {
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

// Send sends an item. It waits while the peer withholds credit or the outbox is full, as
// long as ctx lets it.
func (x *Stream) Send(ctx context.Context, m Message) error {
	s := x.s
	h, ext, err := x.itemHeader(&m)
	if err != nil {
		return err
	}
	if len(m.Payload) > fragmentSize {
		if err := s.enterLong(ctx); err != nil {
			return err
		}
		defer s.leaveLong()
	}
	for {
		if err := x.sendable(); err != nil {
			return err
		}
		if err := s.waitRoom(ctx); err != nil {
			return err
		}
		wait := x.window.waitLocked()
		if wait == nil {
			break
		}
		s.out.mu.Unlock()
		s.flush(false)
		x.leave(ctx)
		select {
		case <-wait:
		case <-s.done:
		case <-ctx.Done():
			return ctxError(ctx)
		}
	}
	x.window.sent += cost(len(m.Payload))
	if err := s.appendMessage(ctx, h, ext, m.Payload); err != nil {
		s.giveBack(&x.window, len(m.Payload))
		return err
	}
	s.flushOneWay()
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
	if label != nil {
		s.bindLocked(label)
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

func (x *Stream) itemHeader(m *Message) (wire.Header, []byte, error) {
	if limit := x.s.peer.limits.Message; uint64(len(m.Payload)) > limit {
		return wire.Header{}, nil, status.Errorf(status.TooLarge, "item of %d bytes, the peer takes at most %d", len(m.Payload), limit)
	}
	ext, err := m.extensions()
	return wire.Header{
		Kind: wire.KindData, Codec: m.Codec, ID: x.id, Source: m.Source, Sequence: m.Sequence,
		Bits: wire.MakeBits(m.Priority, 0, false),
	}, ext, err
}

// sendable returns why nothing can be sent any more.
func (x *Stream) sendable() error {
	if x.ended {
		return &status.Error{Code: status.FailedPrecondition, Message: "nothing is sent in this direction of the stream"}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return x.err
	}
	if x.over {
		return io.EOF
	}
	return nil
}
