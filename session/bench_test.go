// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/transport"
)

// hot is an end of a connection within the process whose Recv never sleeps: what a call
// costs over it is the session's own work. It has the abilities of shared memory.
type hot struct {
	in, out     *hotQueue
	chunk       []byte // owned by who receives
	interrupted atomic.Bool
	crowded     func() bool
}

type hotQueue struct {
	mu     sync.Mutex
	buf    []byte
	closed atomic.Bool
	some   atomic.Bool
}

func hotPipe() (a, b *hot) {
	x, y := new(hotQueue), new(hotQueue)
	return &hot{in: x, out: y}, &hot{in: y, out: x}
}

func (h *hot) TrySend(p []byte) (int, error) {
	if h.out.closed.Load() {
		return 0, net.ErrClosed
	}
	h.out.mu.Lock()
	h.out.buf = append(h.out.buf, p...)
	h.out.some.Store(true)
	h.out.mu.Unlock()
	return len(p), nil
}

func (h *hot) Send(p []byte) error {
	_, err := h.TrySend(p)
	return err
}

func (h *hot) Ready() bool { return len(h.chunk) > 0 || h.in.some.Load() }

func (h *hot) Interrupt() { h.interrupted.Store(true) }

func (h *hot) Crowd(f func() bool) { h.crowded = f }

func (h *hot) Recv() (*transport.Buffer, error) {
	for len(h.chunk) == 0 {
		switch {
		case h.in.some.Load():
			h.in.mu.Lock()
			h.chunk, h.in.buf = h.in.buf, h.chunk[:0:0]
			h.in.some.Store(false)
			h.in.mu.Unlock()
		case h.interrupted.Swap(false):
			return nil, transport.ErrInterrupted
		case h.in.closed.Load():
			return nil, io.EOF
		default:
			runtime.Gosched()
		}
	}
	n := binary.LittleEndian.Uint32(h.chunk)
	b := transport.CopyBuffer(h.chunk[:n])
	h.chunk = h.chunk[n:]
	return b, nil
}

func (h *hot) Close() error {
	h.in.closed.Store(true)
	h.out.closed.Store(true)
	return nil
}

// BenchmarkCall shows what a call of 64 bytes costs both ends together, by the number of
// callers: over hot the session's own work (best with -cpu 1), over unix the whole.
func BenchmarkCall(b *testing.B) {
	for name, connect := range map[string]func() (transport.Conn, transport.Conn){
		"hot":  func() (transport.Conn, transport.Conn) { d, a := hotPipe(); return d, a },
		"unix": func() (transport.Conn, transport.Conn) { return unix(b) },
	} {
		for _, callers := range []int{1, 8, 64} {
			b.Run(name+"/"+strconv.Itoa(callers), func(b *testing.B) {
				d, a := connect()
				ds, _ := pair(b, d, a, &session.Config{}, &session.Config{Router: echoing})
				benchCalls(b, ds, callers)
			})
		}
	}
}

func benchCalls(b *testing.B, s *session.Session, callers int) {
	r := s.Route(method("echo"))
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			payload, buf := make([]byte, 64), make([]byte, 0, 64)
			for left.Add(-1) >= 0 {
				if _, err := r.Call(context.Background(), session.Message{Payload: payload}, buf); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// What an item of 64 bytes costs, both ends together with -cpu 1.
func BenchmarkStream(b *testing.B) {
	router := methods{"drain": {call: func(c *session.Call) {
		x, err := c.Stream()
		for err == nil {
			_, err = x.Borrow(c.Context())
		}
		c.Reply(session.Message{})
	}}}
	d, a := unix(b)
	ds, _ := pair(b, d, a, &session.Config{}, &session.Config{Router: router})
	x, err := ds.Route(method("drain")).Open(b.Context(), session.ClientStream, session.Message{})
	must(b, err)
	payload := make([]byte, 64)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := x.Send(context.Background(), session.Message{Payload: payload}); err != nil {
			b.Fatal(err)
		}
	}
	must(b, x.CloseSend())
	if _, err := x.Reply(context.Background()); err != nil {
		b.Fatal(err)
	}
}
