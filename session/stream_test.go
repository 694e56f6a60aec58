// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// streaming are methods with streams of each shape.
var streaming = methods{
	"count": {call: func(c *session.Call) {
		x, err := c.Stream()
		for i := 0; err == nil && i < 3000; i++ {
			err = x.Send(c.Context(), session.Message{Payload: []byte{byte(i), byte(i >> 8)}})
		}
		finish(c, err)
	}},
	"sum": {call: func(c *session.Call) {
		x, err := c.Stream()
		n := 0
		for err == nil {
			var item session.Item
			item, err = x.Recv(c.Context(), nil)
			n += len(item.Payload)
		}
		if err != io.EOF {
			c.Fail(err)
			return
		}
		c.Reply(session.Message{Payload: []byte{byte(n >> 16), byte(n >> 8), byte(n)}})
	}},
	"echoes": {call: func(c *session.Call) {
		x, err := c.Stream()
		for err == nil {
			var item session.Item
			if item, err = x.Recv(c.Context(), nil); err == nil {
				err = x.Send(c.Context(), session.Message{Payload: item.Payload})
			}
		}
		finish(c, err)
	}},
}

// finish answers a call whose stream has ended with err.
func finish(c *session.Call, err error) {
	if err != nil && err != io.EOF {
		c.Fail(err)
		return
	}
	c.Reply(session.Message{})
}

// wantItems counts to n and leaves.
func wantItems(t *testing.T, s *session.Session, n int) {
	t.Helper()
	x, err := s.Route(method("count")).Open(patience(t), wire.ServerStream, session.Message{})
	must(t, err)
	for i := range n {
		item, err := x.Recv(patience(t), nil)
		must(t, err)
		if got := int(item.Payload[0]) | int(item.Payload[1])<<8; got != i {
			t.Fatalf("item %d is %d", i, got)
		}
	}
	if n < 3000 {
		x.Cancel()
		return
	}
	if _, err := x.Recv(patience(t), nil); err != io.EOF {
		t.Fatalf("end: %v", err)
	}
}

func wantSum(t *testing.T, s *session.Session, items, size int) {
	t.Helper()
	y, err := s.Route(method("sum")).Open(patience(t), wire.ClientStream, session.Message{})
	must(t, err)
	for range items {
		must(t, y.Send(patience(t), session.Message{Payload: make([]byte, size)}))
	}
	must(t, y.CloseSend())
	rep, err := y.Reply(patience(t))
	must(t, err)
	if n := int(rep.Payload[0])<<16 | int(rep.Payload[1])<<8 | int(rep.Payload[2]); n != (items*size)&0xffffff {
		t.Fatalf("sum %d", n)
	}
}

func TestStream(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, _ := pair(t, d, a, nil, &session.Config{Router: streaming})
		wantItems(t, ds, 3000)
		wantItems(t, ds, 10)
		wantSum(t, ds, 3000, 100)
		z, err := ds.Route(method("echoes")).Open(t.Context(), wire.Duplex, session.Message{})
		must(t, err)
		for range 300 {
			must(t, z.Send(t.Context(), session.Message{Payload: []byte("x")}))
			_, err := z.Recv(patience(t), nil)
			must(t, err)
		}
		must(t, z.CloseSend())
		_, err = z.Reply(patience(t))
		must(t, err)
		_, err = ds.Route(method("count")).Call(patience(t), session.Message{}, nil)
		wantCode(t, err, status.WrongShape)
		_, err = ds.Route(method("count")).Open(t.Context(), wire.Unary, session.Message{})
		wantCode(t, err, status.InvalidArgument)
	})
}

// Items of any length get through windows of any length, both ways at the same time, and
// long ones of several streams are not mixed.
func TestStreamWindows(t *testing.T) {
	for _, window := range []int{1, 64, 1000, 1 << 20} {
		cfg := &session.Config{Router: streaming, StreamWindow: window}
		ds, as := memPair(t, cfg, cfg)
		var wg sync.WaitGroup
		for _, s := range []*session.Session{ds, as} {
			wg.Go(func() { wantSum(t, s, 7, 200<<10) })
			wg.Go(func() { wantSum(t, s, 40, 1000) })
			wg.Go(func() { wantItems(t, s, 3000) })
		}
		wg.Wait()
	}
}

// A stream that nobody takes from stops its sender, and nobody else: not even those who
// send long messages (bug: three such took all places for these).
func TestStalledStreams(t *testing.T) {
	release := make(chan struct{})
	router := methods{"echo": {call: echo}, "stall": {call: func(c *session.Call) {
		<-release
		c.Reply(session.Message{})
	}}}
	ds, _ := memPair(t, nil, &session.Config{Router: router, StreamWindow: 1000, Gate: session.NewGate(10, 10)})
	ctx, cancel := context.WithCancel(patience(t))
	var wg sync.WaitGroup
	for range 5 {
		x, err := ds.Route(method("stall")).Open(ctx, wire.ClientStream, session.Message{})
		must(t, err)
		must(t, x.Send(ctx, session.Message{Payload: make([]byte, 100<<10)}))
		wg.Go(func() {
			if err := x.Send(ctx, session.Message{Payload: make([]byte, 100<<10)}); !errors.Is(err, status.Cancelled) {
				t.Error(err)
			}
		})
	}
	callMany(t, ds, 200<<10, 3)
	cancel()
	wg.Wait()
	close(release)
}

// What comes for a stream before its handler asks for it is not lost: the request may have
// waited for its turn (bug: it was dropped).
func TestEarlyItems(t *testing.T) {
	began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
	router := blocking(began, ended)
	router["sum"] = streaming["sum"]
	ds, _ := memPair(t, nil, &session.Config{Router: router, Gate: session.NewGate(1, 10)})
	p := ds.Route(method("block")).Go(patience(t), session.Message{})
	<-began
	must(t, ds.Ping(patience(t)))
	y, err := ds.Route(method("sum")).Open(patience(t), wire.ClientStream, session.Message{})
	must(t, err)
	for range 10 {
		must(t, y.Send(patience(t), session.Message{Payload: make([]byte, 10)}))
	}
	must(t, y.CloseSend())
	must(t, ds.Ping(patience(t))) // all of it has arrived, and nobody serves it
	p.Cancel()
	rep, err := y.Reply(patience(t))
	must(t, err)
	if rep.Payload[2] != 100 {
		t.Fatalf("the handler got %d bytes of 100", rep.Payload[2])
	}
}

// taker is a StreamPeer that counts.
type taker struct {
	mu        sync.Mutex
	bytes     int
	ended     chan struct{}
	cancelled chan *status.Error
}

func newTaker() *taker {
	return &taker{ended: make(chan struct{}, 10), cancelled: make(chan *status.Error, 10)}
}

func (k *taker) Item(f *session.Frame) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes += len(f.Payload); f.Flags&wire.FlagEnd != 0 {
		k.ended <- struct{}{}
	}
}
func (k *taker) Credit(wire.Credit)             {}
func (k *taker) Cancelled(reason *status.Error) { k.cancelled <- reason }

// A call may be detached late: its taker gets what came before, in order, then the rest,
// and is told once that the caller has given up, also if that was before (bug: it was not).
func TestDetach(t *testing.T) {
	k, ids := newTaker(), make(chan uint32, 10)
	proceed, listening := make(chan struct{}), make(chan struct{})
	router := methods{"take": {call: func(c *session.Call) {
		listening <- struct{}{}
		<-proceed
		if !c.Detach(k) {
			t.Error("the call is over")
		}
		ids <- c.ID
	}}}
	ds, as := memPair(t, nil, &session.Config{Router: router})
	open := func() *session.Stream {
		y, err := ds.Route(method("take")).Open(patience(t), wire.Duplex, session.Message{})
		must(t, err)
		<-listening
		return y
	}
	y := open()
	must(t, y.Send(patience(t), session.Message{Payload: make([]byte, 10)}))
	must(t, ds.Ping(patience(t)))
	proceed <- struct{}{}
	id := <-ids
	must(t, y.Send(patience(t), session.Message{Payload: make([]byte, 5)}))
	must(t, y.CloseSend())
	<-k.ended
	if k.bytes != 15 {
		t.Fatalf("%d bytes of 15", k.bytes)
	}
	if !as.Answer(id, session.Message{Payload: []byte("done")}) || as.Answer(id, session.Message{}) || as.Refuse(id, io.EOF) {
		t.Fatal("a detached call is answered exactly once")
	}
	as.FlushNow()
	rep, err := y.Reply(patience(t))
	must(t, err)
	if string(rep.Payload) != "done" {
		t.Fatalf("%q", rep.Payload)
	}
	y = open()
	y.Cancel()
	must(t, ds.Ping(patience(t)))
	proceed <- struct{}{}
	wantCode(t, <-k.cancelled, status.Cancelled)
	y.Cancel()
	as.Refuse(<-ids, status.Cancelled)
	as.Close()
	if len(k.cancelled) > 0 {
		t.Fatal("told twice")
	}
}

// A stream ends with its context, with its call and with the session; both ends learn it.
func TestStreamEnds(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		began, ended := make(chan struct{}, 10), make(chan struct{}, 10)
		ds, as := pair(t, d, a, nil, &session.Config{Router: blocking(began, ended)})
		open := func(ctx context.Context) *session.Stream {
			x, err := ds.Route(method("block")).Open(ctx, wire.Duplex, session.Message{})
			must(t, err)
			<-began
			return x
		}
		ctx, cancel := context.WithCancel(patience(t))
		x := open(ctx)
		cancel()
		_, err := x.Recv(patience(t), nil)
		wantCode(t, err, status.Cancelled)
		wantCode(t, x.Send(patience(t), session.Message{}), status.Cancelled)
		<-ended
		x = open(patience(t))
		_, err = x.Recv(ctx, nil) // the end of a Recv is not that of the stream
		wantCode(t, err, status.Cancelled)
		must(t, x.Send(patience(t), session.Message{}))
		as.Close()
		<-ended
		_, err = x.Recv(patience(t), nil)
		wantCode(t, err, status.PeerGone)
		_, err = x.Reply(patience(t))
		wantCode(t, err, status.PeerGone)
	})
}

// An item that the sender withdraws in the middle costs nothing, and the stream goes on
// (bug: its credit was lost, and Send said that it was sent).
func TestWithdrawnItems(t *testing.T) {
	ds, conn := slowPair(t, &session.Config{Router: streaming, StreamWindow: 5 << 20, MaxMessage: 4 << 20})
	y, err := ds.Route(method("sum")).Open(patience(t), wire.ClientStream, session.Message{})
	must(t, err)
	must(t, ds.Ping(patience(t)))
	for range 3 {
		stall(conn, true)
		ctx, cancel := context.WithCancel(patience(t))
		failed := make(chan error)
		go func() { failed <- y.Send(ctx, session.Message{Payload: make([]byte, 4<<20)}) }()
		for ds.Stats().Queued <= 128<<10 {
			stall(conn, true)
		}
		cancel()
		wantCode(t, <-failed, status.Cancelled)
		stall(conn, false)
		must(t, ds.Ping(patience(t)))
	}
	must(t, y.Send(patience(t), session.Message{Payload: make([]byte, 100)}))
	must(t, y.CloseSend())
	rep, err := y.Reply(patience(t))
	must(t, err)
	if rep.Payload[2] != 100 || rep.Payload[1] != 0 {
		t.Fatalf("sum %x", rep.Payload)
	}
}
