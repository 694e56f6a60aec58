// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"io"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// Item implements Sink and takes an item from the peer.
func (x *Stream) Item(f *Frame) {
	r := received{bits: f.Bits}
	end := f.Flags&wire.FlagEnd != 0
	if !end {
		r = x.keep(f)
	}
	x.mu.Lock()
	if p := x.peer; p != nil {
		x.mu.Unlock()
		r.release()
		p.Item(f)
		return
	}
	over := !end && x.taken >= x.granted
	x.taken += r.cost
	switch {
	case end:
		x.peerEnd, x.endCame = true, true
	case x.over || over:
		defer r.release()
	default:
		x.queue = append(x.queue, r)
	}
	x.mu.Unlock()
	if over {
		x.s.violated("more than the credit was sent on stream %d", f.ID)
		return
	}
	x.notify()
}

// itemRun implements runSink.
func (x *Stream) itemRun(run Run) {
	x.mu.Lock()
	if x.peer != nil || x.over || !run.begins(x.taken, x.granted) {
		x.mu.Unlock()
		for run.n > 0 {
			f := run.shift()
			x.Item(&f)
		}
		return
	}
	x.taken += run.cost
	r := received{run: run.Keep()}
	if n := routeOf(run.b); n != 0 {
		if route := x.s.inRouteOf(n); route != nil {
			r.item.From = route.bind
		}
	}
	x.queue = append(x.queue, r)
	x.mu.Unlock()
	x.notify()
}

// keep returns what is queued of an item.
func (x *Stream) keep(f *Frame) received {
	buf := f.Take()
	if !buf.Foreign() { // that goes back as soon as the item is received, and not for long
		buf = buf.Compact()
	}
	r := received{buf: buf, cost: cost(len(f.Payload)), bits: f.Bits}
	r.item = Item{Codec: f.Codec, Source: f.Source, Sequence: f.Sequence}
	if f.Route != 0 {
		if route := x.s.inRouteOf(f.Route); route != nil {
			r.item.From = route.bind
		}
	}
	r.item.Ext, r.item.Payload = parts(f, r.buf)
	return r
}

func (r *received) release() {
	if r.buf != nil {
		r.buf.Release()
	}
	if r.run.buf != nil {
		r.run.Release()
	}
	*r = received{}
}

// shift makes r.item the first of the items that are left and returns what it costs.
func (r *received) shift() (price uint64) {
	if r.run.n == 0 {
		r.taken = true
		return r.cost
	}
	h, payload, size := head(r.run.b)
	price = cost(len(payload))
	it := &r.item
	it.Codec, it.Source, it.Sequence, r.bits = h.Codec, h.Source, h.Sequence, h.Bits
	it.Ext, it.Payload = r.run.b[wire.HeaderSize:size-len(payload)], payload
	r.run.b, r.run.n, r.run.cost = r.run.b[size:], r.run.n-1, r.run.cost-price
	r.taken = r.run.n == 0
	return price
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

// passTo gives what has come and what still comes for a detached call to who takes it from
// now on.
func (x *Stream) passTo(p StreamPeer) {
	x.mu.Lock()
	defer x.mu.Unlock()
	queue := x.queue
	if !x.cur.empty() {
		queue = append([]received{x.cur}, queue...)
	}
	for _, r := range queue { // under mu: what comes now has to wait its turn
		for n := r.run.n; n > 0; n-- {
			f := r.run.shift()
			p.Item(&f)
		}
		if r.buf != nil {
			f := Frame{Ext: r.item.Ext, Payload: r.item.Payload, buf: r.buf}
			f.Header = wire.Header{Kind: wire.KindData, Codec: r.item.Codec, ID: x.id, Source: r.item.Source, Sequence: r.item.Sequence, Bits: r.bits}
			p.Item(&f)
		}
		r.release()
	}
	x.cur = received{}
	x.queue, x.peer = nil, p
	if x.endCame {
		p.Item(&Frame{Header: wire.Header{Kind: wire.KindData, Flags: wire.FlagEnd, ID: x.id}})
	}
	x.s.out.mu.Lock()
	w := x.window
	x.s.out.mu.Unlock()
	if w.limit > x.s.peer.limits.Stream {
		p.Credit(wire.Credit{Limit: w.limit, Acked: w.acked})
	}
}

// Recv returns the next item, its payload appended to dst. After the last item it returns
// io.EOF, after a failure the *status.Error. At the end of ctx the stream goes on.
func (x *Stream) Recv(ctx context.Context, dst []byte) (Item, error) {
	p, err := x.receive(ctx)
	if err != nil {
		return Item{}, err
	}
	item := *p
	if dst != nil || x.cur.buf == nil || !x.cur.buf.Private() {
		item.Payload = append(dst, item.Payload...)
	}
	item.Ext = append([]byte(nil), item.Ext...)
	if x.cur.taken {
		x.cur.release()
	}
	return item, nil
}

// RecvPayload is Recv for who wants to know no more than codec and payload.
func (x *Stream) RecvPayload(ctx context.Context) (codec uint8, payload []byte, err error) {
	p, err := x.receive(ctx)
	if err != nil {
		return 0, nil, err
	}
	codec, payload = p.Codec, p.Payload
	if x.cur.buf == nil || !x.cur.buf.Private() {
		payload = append([]byte(nil), payload...)
	}
	if x.cur.taken {
		x.cur.release()
	}
	return codec, payload, nil
}

// Borrow is Recv without a copy: the item and its bytes are not to be written, and valid
// until the next Recv or Borrow.
func (x *Stream) Borrow(ctx context.Context) (*Item, error) {
	item, err := x.receive(ctx)
	if err == nil && x.cur.buf != nil && x.cur.buf.Foreign() { // the peer could change what is looked at
		item.Payload = append([]byte(nil), item.Payload...)
	}
	return item, err
}

func (x *Stream) receive(ctx context.Context) (*Item, error) {
	for {
		if item, err := x.next(); item != nil || err != nil {
			return item, err
		}
		x.s.flush(false)
		x.leave(ctx)
		select {
		case <-x.signal:
		case <-ctx.Done():
			return nil, ctxError(ctx)
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

// next takes an item that has come already, nil if none has.
func (x *Stream) next() (*Item, error) {
	if x.cur.taken || x.dropped.Load() {
		x.cur.release()
	}
	if x.cur.empty() {
		if ok, err := x.refill(); !ok {
			return nil, err
		}
	}
	x.spent += x.cur.shift()
	if now := x.cur.bits&wire.BitAcknowledge != 0; now || x.cur.taken || x.spent >= uint64(x.s.cfg.StreamWindow)/8 {
		x.grant(x.cur.item.Sequence, now)
	}
	return &x.cur.item, nil
}

// refill takes what has come first out of the queue; false if nothing has, with the reason
// if nothing will.
func (x *Stream) refill() (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) > 0 {
		x.popLocked()
		return true, nil
	}
	if x.err != nil {
		return false, x.err
	}
	if x.peerEnd {
		return false, io.EOF
	}
	return false, nil
}

// keepQueue is the length up to which a queue keeps its memory.
const keepQueue = 4

// popLocked makes the first of the queue the one that is being received.
func (x *Stream) popLocked() {
	q := x.queue
	x.cur = q[0]
	if n := len(q) - 1; n < keepQueue {
		copy(q, q[1:])
		q[n] = received{}
		q = q[:n]
	} else {
		q[0] = received{}
		q = q[1:]
	}
	if x.queue = q; len(q) == 0 && cap(q) > keepQueue {
		x.queue = nil
	}
}

// grant counts what was spent as consumed, and tells the peer if it is time to, or wanted now.
func (x *Stream) grant(last uint64, now bool) {
	x.mu.Lock()
	limit := x.consumeLocked(x.spent, now)
	x.mu.Unlock()
	x.spent = 0
	if limit != 0 {
		x.s.control(wire.Header{Kind: wire.KindCredit, ID: x.id}, wire.AppendCredit(nil, wire.Credit{Limit: limit, Acked: last}))
	}
}

// consumeLocked returns the new limit if it is time to tell the peer, or wanted now, else 0.
func (x *Stream) consumeLocked(n uint64, now bool) uint64 {
	window := uint64(x.s.cfg.StreamWindow)
	x.consumed += n
	limit := x.consumed + window
	if x.over || x.peerEnd || limit-x.granted < window/2 && !now {
		return 0
	}
	x.granted = limit
	return limit
}
