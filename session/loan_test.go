// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// lending is a hot Conn with blocks of its own: the heap plays the shared memory.
type lending struct {
	*hot
	mine, theirs *arena
}

// arena is what one side lends to the other.
type arena struct {
	mu    sync.Mutex
	lent  map[uint64][]byte // given and not yet released
	out   map[uint64][]byte // handed out
	last  uint64
	limit int
}

func newArena() *arena {
	return &arena{lent: make(map[uint64][]byte), out: make(map[uint64][]byte), limit: 64}
}

// open returns how many blocks have not come back.
func (a *arena) open() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.lent) + len(a.out)
}

func lendingPipe() (a, b *lending) {
	x, y := hotPipe()
	p, q := newArena(), newArena()
	return &lending{hot: x, mine: p, theirs: q}, &lending{hot: y, mine: q, theirs: p}
}

func (l *lending) Lend(n int) (transport.Block, error) {
	l.mine.mu.Lock()
	defer l.mine.mu.Unlock()
	if len(l.mine.out)+len(l.mine.lent) >= l.mine.limit {
		return nil, transport.ErrNoBlock
	}
	l.mine.last++
	l.mine.out[l.mine.last] = make([]byte, n)
	return &block{l.mine, l.mine.last}, nil
}

func (l *lending) Borrow(d []byte) (*transport.Buffer, error) {
	l.theirs.mu.Lock()
	defer l.theirs.mu.Unlock()
	if len(d) != 8 {
		return nil, errors.New("no descriptor")
	}
	id := binary.LittleEndian.Uint64(d)
	b, ok := l.theirs.lent[id]
	if !ok {
		return nil, errors.New("no such block was lent")
	}
	return transport.ForeignBuffer(b, l.theirs, id), nil
}

// Reclaim spoils what was given back: who still reads it is found out.
func (a *arena) Reclaim(id uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.lent[id]; !ok {
		panic("reclaimed twice")
	}
	clear(a.lent[id])
	delete(a.lent, id)
}

type block struct {
	a  *arena
	id uint64
}

func (b *block) Bytes() []byte {
	b.a.mu.Lock()
	defer b.a.mu.Unlock()
	return b.a.out[b.id]
}

func (b *block) Give(dst []byte, n int) []byte {
	b.a.mu.Lock()
	defer b.a.mu.Unlock()
	b.a.lent[b.id] = b.a.out[b.id][:n]
	delete(b.a.out, b.id)
	return binary.LittleEndian.AppendUint64(dst, b.id)
}

func (b *block) Drop() {
	b.a.mu.Lock()
	defer b.a.mu.Unlock()
	delete(b.a.out, b.id)
	delete(b.a.lent, b.id)
}

func random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// readInPlace reports whether the payload is in memory that the caller can write.
func readInPlace(c *session.Call) bool {
	b := c.Take()
	defer b.Release()
	return b.Foreign()
}

// inPlace is a target that reads payloads where they are.
type inPlace struct{ target }

func (inPlace) InPlace() bool { return true }

type places map[string]session.Target

func (p places) Bind(_ *session.Session, b wire.Bind) (session.Target, error) { return p[b.Name], nil }

// Long payloads travel by reference in every kind of message, what arrives is private, and
// every block comes back.
func TestLongPayloadsAreLent(t *testing.T) {
	d, a := lendingPipe()
	got := make(chan []byte, 1)
	shapes := methods{
		"echo": {call: func(c *session.Call) {
			if readInPlace(c) {
				t.Error("a handler that has not asked for it reads in place")
			}
			echo(c)
		}},
		"e": {receive: func(_ *session.Session, f *session.Frame) { got <- append([]byte(nil), f.Payload...) }},
		"echoes": {call: func(c *session.Call) {
			x, err := c.Stream()
			for err == nil {
				var item session.Item
				if item, err = x.Recv(c.Background(), nil); err == nil {
					err = x.Send(c.Background(), session.Message{Payload: item.Payload})
				}
			}
			finish(c, err)
		}},
	}
	ds, _ := pair(t, d, a, &session.Config{}, &session.Config{Router: shapes})
	ctx := patience(t)
	for _, n := range []int{0, 64, 16 << 10, 100 << 10, 1 << 20} {
		payload := random(n)
		rep, err := ds.Route(method("echo")).Call(ctx, session.Message{Payload: payload}, nil)
		must(t, err)
		if !bytes.Equal(rep.Payload, payload) {
			t.Errorf("echo of %d bytes: something else came back", n)
		}
		must(t, ds.Route(event("e")).Emit(ctx, session.Message{Payload: payload}))
		if !bytes.Equal(<-got, payload) {
			t.Errorf("event of %d bytes: something else arrived", n)
		}
		x, err := ds.Route(method("echoes")).Open(ctx, wire.Duplex, session.Message{Payload: payload})
		must(t, err)
		must(t, x.Send(ctx, session.Message{Payload: payload}))
		item, err := x.Recv(ctx, nil)
		must(t, err)
		if !bytes.Equal(item.Payload, payload) {
			t.Errorf("item of %d bytes: something else came back", n)
		}
		must(t, x.CloseSend())
		if _, err := x.Recv(ctx, nil); err != io.EOF {
			t.Fatal(err)
		}
	}
	if d.mine.last == 0 || a.mine.last == 0 {
		t.Error("nothing was lent")
	}
	for name, x := range map[string]*arena{"dialler": d.mine, "accepter": a.mine} {
		if n := x.open(); n != 0 {
			t.Errorf("%d blocks of the %s have not come back", n, name)
		}
	}
}

// A Loan is filled, sent, read in place and released without a copy.
func TestLoan(t *testing.T) {
	d, a := lendingPipe()
	router := places{"sum": inPlace{target{call: func(c *session.Call) {
		in := c.Loan()
		defer in.Release()
		if !readInPlace(c) {
			t.Error("not in place")
		}
		out := c.Session().Lend(len(in.Bytes()))
		for i, b := range in.Bytes() {
			out.Bytes()[i] = ^b
		}
		c.Reply(session.Message{Payload: out.Bytes(), Loan: out})
	}}}}
	ds, _ := pair(t, d, a, &session.Config{}, &session.Config{Router: router})
	for _, n := range []int{1 << 10, 1 << 20} {
		out := ds.Lend(n)
		copy(out.Bytes(), random(n))
		want := bytes.Clone(out.Bytes())
		for i := range want {
			want[i] = ^want[i]
		}
		rep, err := ds.Route(method("sum")).Call(patience(t), session.Message{Payload: out.Bytes(), Loan: out, InPlace: true}, nil)
		must(t, err)
		if out.Bytes() != nil {
			t.Error("the loan is still there after it was sent")
		}
		if !bytes.Equal(rep.Loan.Bytes(), want) {
			t.Errorf("%d bytes: something else came back", n)
		}
		if a.mine.open() == 0 {
			t.Error("the answer was copied")
		}
		rep.Loan.Release()
		rep.Loan.Release()
	}
	unsent := ds.Lend(1 << 20)
	unsent.Release()
	if n := d.mine.open() + a.mine.open(); n != 0 {
		t.Errorf("%d blocks have not come back", n)
	}
}

// Where no memory is shared a Loan is a piece of memory like any other.
func TestLoanWithoutSharedMemory(t *testing.T) {
	for name, connect := range conns {
		t.Run(name, func(t *testing.T) {
			d, a := connect(t)
			ds, _ := pair(t, d, a, &session.Config{}, &session.Config{Router: echoing})
			for _, n := range []int{10, 1 << 20} {
				out := ds.Lend(n)
				copy(out.Bytes(), random(n))
				want := bytes.Clone(out.Bytes())
				rep, err := ds.Route(method("echo")).Call(patience(t), session.Message{Payload: out.Bytes(), Loan: out, InPlace: true}, nil)
				must(t, err)
				if !bytes.Equal(rep.Loan.Bytes(), want) {
					t.Errorf("%d bytes: something else came back", n)
				}
				rep.Loan.Release()
				out.Release()
			}
		})
	}
}

// When no block is to be had the payload is copied, and a message that is not sent gives
// its block back.
func TestNoBlock(t *testing.T) {
	d, a := lendingPipe()
	d.mine.limit = 0
	ds, _ := pair(t, d, a, &session.Config{}, &session.Config{Router: echoing})
	payload := random(1 << 20)
	rep, err := ds.Route(method("echo")).Call(patience(t), session.Message{Payload: payload}, nil)
	must(t, err)
	if !bytes.Equal(rep.Payload, payload) {
		t.Error("something else came back")
	}
	d.mine.mu.Lock()
	d.mine.limit = 1
	d.mine.mu.Unlock()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ds.Route(method("echo")).Call(gone, session.Message{Payload: payload}, nil); status.CodeOf(err) != status.Cancelled {
		t.Fatal(err)
	}
	if n := d.mine.open(); n != 0 {
		t.Errorf("%d blocks of messages that were not sent", n)
	}
}

// A peer that names blocks which it has not lent ends its session and nothing else.
func TestLiarsAboutBlocks(t *testing.T) {
	for name, frame := range map[string]func() []byte{
		"no such block": func() []byte {
			h := wire.Header{Kind: wire.KindCall, Flags: wire.FlagEnd | wire.FlagLent, ID: 1 << 20, Route: 1}
			return wire.AppendFrame(nil, h, nil, make([]byte, 8))
		},
		"a control frame": func() []byte {
			return wire.AppendFrame(nil, wire.Header{Kind: wire.KindPing, Flags: wire.FlagLent}, nil, make([]byte, 8))
		},
		"a fragment": func() []byte {
			h := wire.Header{Kind: wire.KindCall, Flags: wire.FlagMore | wire.FlagLent, ID: 1 << 20, Route: 1}
			return wire.AppendFrame(nil, h, nil, make([]byte, 8))
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, a := lendingPipe()
			_, as := pair(t, d, a, &session.Config{}, &session.Config{Router: echoing})
			must(t, d.Send(frame()))
			<-as.Done()
			if status.CodeOf(as.Err()) != status.Protocol {
				t.Errorf("the session ended with %v", as.Err())
			}
		})
	}
}
