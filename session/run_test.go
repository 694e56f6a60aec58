// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// together is a line in memory that gives all frames at once that have come.
type together struct{ c *mem.Conn }

func (b together) Send(p []byte) error              { return b.c.Send(p) }
func (b together) TrySend(p []byte) (int, error)    { return b.c.TrySend(p) }
func (b together) Recv() (*transport.Buffer, error) { return b.c.Recv() }
func (b together) Ready() bool                      { return b.c.Ready() }
func (b together) Interrupt()                       { b.c.Interrupt() }
func (b together) Close() error                     { return b.c.Close() }

func (b together) RecvBatch() (*transport.Buffer, error) {
	first, err := b.c.Recv()
	if err != nil || !b.c.Ready() {
		return first, err
	}
	all := bytes.Clone(first.Bytes())
	first.Release()
	for b.c.Ready() {
		next, err := b.c.Recv()
		if err != nil {
			break // it comes again
		}
		all = append(all, next.Bytes()...)
		next.Release()
	}
	return transport.WrapBuffer(all), nil
}

// taker of runs: what a Target was given, one by one or together.
type runs struct {
	target
	refuse bool
	got    chan []uint64 // payloads that were given at once
}

func (r *runs) ReceiveRun(_ *session.Session, run session.Run) bool {
	if r.refuse {
		return false
	}
	var all []uint64
	kept := run.Keep()
	defer kept.Release()
	for n := kept.Len(); n > 0; n-- {
		one := kept
		if n > 1 {
			one, kept = kept.Split(1)
		}
		all = append(all, binary.LittleEndian.Uint64(one.Payload()))
	}
	r.got <- all
	return true
}

func (r *runs) Bind(*session.Session, wire.Bind) (session.Target, error) { return r, nil }

func takeRuns(refuse bool) *runs {
	r := &runs{refuse: refuse, got: make(chan []uint64, 1000)}
	r.receive = func(_ *session.Session, f *session.Frame) { r.got <- []uint64{binary.LittleEndian.Uint64(f.Payload)} }
	return r
}

// frames appends publications first … last on a route.
func frames(b []byte, route uint32, first, last uint64, size int) []byte {
	for n := first; n <= last; n++ {
		payload := binary.LittleEndian.AppendUint64(make([]byte, 0, size), n)[:size]
		b = wire.AppendFrame(b, wire.Header{Kind: wire.KindPublish, Flags: wire.FlagOneWay, Route: route, Sequence: n}, nil, payload)
	}
	return b
}

// What comes together on one route is given together, in order, and cut where the route, the
// kind or the flags change; a Target that wants it otherwise gets one after the other.
func TestRuns(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		r := takeRuns(refuse)
		s, p := rawTogether(t, generous, &session.Config{Router: r})
		p.bind(1, topic("a"))
		p.bind(2, topic("b"))
		b := frames(nil, 1, 1, 5, 20)
		b = frames(b, 2, 1, 2, 8)
		b = frames(b, 1, 6, 7, 3000)
		b = wire.AppendFrame(b, wire.Header{Kind: wire.KindPing}, nil, []byte("x"))
		b = frames(b, 1, 8, 8, 8)
		p.write(b)
		p.alive()
		want := [][]uint64{{1, 2, 3, 4, 5}, {1, 2}, {6, 7}, {8}}
		if refuse {
			want = [][]uint64{{1}, {2}, {3}, {4}, {5}, {1}, {2}, {6}, {7}, {8}}
		}
		for i, w := range want {
			got := <-r.got
			if len(got) != len(w) {
				t.Fatalf("at %d came %v, want %v (refused: %v)", i, got, w, refuse)
			}
			for k := range w {
				if got[k] != w[k] {
					t.Fatalf("at %d came %v, want %v", i, got, w)
				}
			}
		}
		if n := s.Stats().Received; n < 12 {
			t.Fatalf("%d frames counted", n)
		}
	}
}

// A peer that breaks the protocol in the middle of what came together ends the session; what
// came before has been given, what comes after is not.
func TestBrokenTogether(t *testing.T) {
	for what, bad := range map[string][]byte{
		"extension": {40, 0, 0, 0, byte(wire.KindPublish), byte(wire.FlagOneWay), 0, 9, 0, 0, 0, 0, 1, 0, 0, 0},
		"length":    {12, 0, 0, 0, byte(wire.KindPublish), byte(wire.FlagOneWay), 0, 0, 0, 0, 0, 0, 1, 0, 0, 0},
		"route":     frames(nil, 3, 1, 1, 8),
	} {
		t.Run(what, func(t *testing.T) {
			if len(bad) < wire.HeaderSize {
				bad = append(bad, make([]byte, int(bad[0])-min(len(bad), int(bad[0])))...)[:bad[0]]
			}
			r := takeRuns(false)
			s, p := rawTogether(t, generous, &session.Config{Router: r})
			p.bind(1, topic("a"))
			p.alive()
			b := append(frames(nil, 1, 1, 3, 8), bad...)
			p.write(frames(b, 1, 4, 5, 8))
			p.wantGoaway(s, status.Protocol)
			if got := <-r.got; len(got) != 3 || len(r.got) != 0 {
				t.Fatalf("%v came, and %d more", got, len(r.got))
			}
		})
	}
}

// The credit of a route holds for what comes together, too: a run ends with the message with
// which it is used up. Here it is given back at once, so that the rest may come.
func TestCreditOfRuns(t *testing.T) {
	r := takeRuns(false)
	_, p := rawTogether(t, generous, &session.Config{Router: r, RouteWindow: 1000})
	p.bind(1, topic("a"))
	p.write(frames(nil, 1, 1, 10, 100)) // 164 each: the seventh uses it up
	p.alive()
	if first, second := <-r.got, <-r.got; len(first) != 7 || len(second) != 3 {
		t.Fatalf("%v came, then %v", first, second)
	}
}

// Credit is given back before the receiver waits, though not for each message.
func TestCreditOfRunsComesBack(t *testing.T) {
	r := takeRuns(false)
	_, p := rawTogether(t, generous, &session.Config{Router: r, RouteWindow: 1000})
	p.bind(1, topic("a"))
	limit := uint64(1000)
	for sent := uint64(0); limit < 10_000; {
		var b []byte
		for sent < limit {
			sent += 164
			b = frames(b, 1, sent/164, sent/164, 100)
		}
		p.write(b)
		_, payload := p.want(wire.KindCredit)
		c, err := wire.ParseCredit(payload)
		must(t, err)
		if c.Limit <= limit || c.Acked != sent/164 {
			t.Fatalf("credit %+v after %d, acknowledged %d of %d", c, limit, c.Acked, sent/164)
		}
		limit = c.Limit
	}
}

// Items that came together are received one by one, in place or copied, until the stream is
// given up in the middle of them.
func TestBorrow(t *testing.T) {
	d, a := unix(t)
	ds, _ := pair(t, d, a, nil, &session.Config{Router: streaming})
	x, err := ds.Route(method("count")).Open(patience(t), wire.ServerStream, session.Message{})
	must(t, err)
	var last []byte
	for i := range 2000 {
		var payload []byte
		if i%3 == 0 {
			item, err := x.Recv(patience(t), nil)
			must(t, err)
			payload, last = item.Payload, item.Payload
		} else {
			item, err := x.Borrow(patience(t))
			must(t, err)
			payload = item.Payload
		}
		if got := int(payload[0]) | int(payload[1])<<8; got != i {
			t.Fatalf("item %d is %d", i, got)
		}
		if i%3 == 2 && (int(last[0])|int(last[1])<<8) != i-2 {
			t.Fatalf("what Recv returned has changed to %v", last)
		}
	}
	x.Cancel()
	if item, err := x.Borrow(patience(t)); !errors.Is(err, status.Cancelled) && err != io.EOF { // it may be answered already
		t.Fatalf("after Cancel came %v, %v", item, err)
	}
}

// A run of items of which the last goes beyond the window is within the credit: a message
// may begin as long as the limit is not reached. The next is not.
func TestCreditOfItemRuns(t *testing.T) {
	for _, extra := range []int{0, 1} {
		s, p := rawTogether(t, generous, &session.Config{StreamWindow: 1000})
		x, err := s.Route(method("m")).Open(patience(t), wire.ServerStream, session.Message{})
		must(t, err)
		h, _ := p.want(wire.KindCall)
		var b []byte
		for range 7 + extra { // 164 each
			b = wire.AppendFrame(b, wire.Header{Kind: wire.KindData, ID: h.ID}, nil, make([]byte, 100))
		}
		p.write(b)
		if extra > 0 {
			p.wantGoaway(s, status.Protocol)
			continue
		}
		p.alive()
		for range 7 {
			_, err := x.Borrow(patience(t))
			must(t, err)
		}
	}
}

// A stream that is answered while items wait gives them all first.
func TestItemsBeforeTheEnd(t *testing.T) {
	d, a := unix(t)
	ds, _ := pair(t, d, a, nil, &session.Config{Router: streaming})
	x, err := ds.Route(method("count")).Open(patience(t), wire.ServerStream, session.Message{})
	must(t, err)
	n := 0
	for ; ; n++ {
		if _, err = x.Borrow(patience(t)); err != nil {
			break
		}
	}
	if !errors.Is(err, io.EOF) || n != 3000 {
		t.Fatalf("%d items, then %v", n, err)
	}
}

// A forwarder notes a destination once for a batch, however many there are, and each is
// flushed before the reader waits.
func TestFlushAfterMany(t *testing.T) {
	const many = 40
	var to []*session.Session
	var peers []*session.Session
	got := make(chan struct{}, many)
	for range many {
		ds, as := memPair(t, nil, &session.Config{Router: methods{"e": {receive: func(*session.Session, *session.Frame) { got <- struct{}{} }}}})
		to, peers = append(to, ds), append(peers, as)
	}
	var routes []*session.Route
	for _, s := range to {
		routes = append(routes, s.Route(event("e")))
	}
	ds, _ := memPair(t, nil, &session.Config{Router: methods{"spread": {receive: func(s *session.Session, _ *session.Frame) {
		for i, r := range routes {
			if ok, err := r.TryEmit(session.Message{}); !ok || err != nil {
				t.Errorf("no. %d: %v %v", i, ok, err)
			}
			s.FlushAfter(to[i])
			s.FlushAfter(to[0])
			s.FlushAfter(to[i])
		}
	}}}})
	for range 3 {
		must(t, ds.Route(event("spread")).Emit(patience(t), session.Message{}))
		for range many {
			<-got
		}
	}
	_ = peers
}
