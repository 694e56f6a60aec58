// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// target serves a route with functions.
type target struct {
	call    func(c *session.Call)
	receive func(s *session.Session, f *session.Frame)
}

func (t target) Call(c *session.Call) { t.call(c) }
func (t target) Receive(s *session.Session, f *session.Frame) {
	if t.receive != nil {
		t.receive(s, f)
	}
}

// methods is a Router of targets by name.
type methods map[string]target

func (m methods) Bind(_ *session.Session, b wire.Bind) (session.Target, error) {
	t, ok := m[b.Name]
	if !ok {
		return nil, status.Errorf(status.UnknownMethod, "no method %q", b.Name)
	}
	return t, nil
}

func echo(c *session.Call) {
	c.Reply(session.Message{Codec: c.Codec, Payload: c.Payload})
}

var echoing = methods{"echo": {call: echo}}

func method(name string) wire.Bind { return wire.Bind{Class: wire.ClassMethod, Name: name} }

// conns are the ways by which the tests connect two sessions.
var conns = map[string]func(t testing.TB) (dialled, accepted transport.Conn){
	"mem": func(testing.TB) (transport.Conn, transport.Conn) { return mem.Pipe() },
	"unix": func(t testing.TB) (transport.Conn, transport.Conn) {
		return over(t, "unix://"+filepath.Join(dir(t), "s"))
	},
	"tcp": func(t testing.TB) (transport.Conn, transport.Conn) { return over(t, "tcp://127.0.0.1:0") },
}

// dir returns a temporary folder whose name is short enough for a socket.
func dir(t testing.TB) string {
	d, err := os.MkdirTemp("", "plexus")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

func over(t testing.TB, address string) (transport.Conn, transport.Conn) {
	set := transport.NewSet(socket.New())
	ep, err := endpoint.Parse(address)
	must(t, err)
	l, err := set.Listen(t.Context(), ep, nil)
	must(t, err)
	defer l.Close()
	got := make(chan transport.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		got <- c
	}()
	d, err := set.Dial(t.Context(), l.Endpoint(), nil)
	must(t, err)
	return d, <-got
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pair shakes hands over two ends of a connection and closes both sessions at the end.
func pair(t testing.TB, d, a transport.Conn, dc, ac *session.Config) (dialled, accepted *session.Session) {
	t.Helper()
	type result struct {
		s   *session.Session
		err error
	}
	ch := make(chan result, 1)
	go func() {
		s, err := session.Accept(context.Background(), a, ac)
		ch <- result{s, err}
	}()
	ds, err := session.Dial(context.Background(), d, dc)
	must(t, err)
	r := <-ch
	must(t, r.err)
	t.Cleanup(func() {
		ds.Close()
		r.s.Close()
		ds.Wait()
		r.s.Wait()
	})
	return ds, r.s
}

func eachConn(t *testing.T, f func(t *testing.T, d, a transport.Conn)) {
	for name, make := range conns {
		t.Run(name, func(t *testing.T) {
			d, a := make(t)
			f(t, d, a)
		})
	}
}

func TestCall(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, as := pair(t, d, a, &session.Config{Router: echoing}, &session.Config{Router: echoing})
		for _, s := range []*session.Session{ds, as} {
			r := s.Route(method("echo"))
			for i := range 100 {
				rep, err := r.Call(t.Context(), session.Message{Codec: 1, Payload: []byte("hello")}, nil)
				must(t, err)
				if string(rep.Payload) != "hello" || rep.Codec != 1 {
					t.Fatalf("call %d: got %q with codec %d", i, rep.Payload, rep.Codec)
				}
			}
		}
		_, err := ds.Route(method("nothing")).Call(t.Context(), session.Message{}, nil)
		if !errors.Is(err, status.UnknownMethod) {
			t.Fatalf("unknown method: %v", err)
		}
	})
}

// Two symmetric peers with 64 callers each way at every size never stop.
func TestSymmetricPeersNeverStop(t *testing.T) {
	for _, size := range []int{64, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 200 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			eachConn(t, func(t *testing.T, d, a transport.Conn) {
				ds, as := pair(t, d, a, &session.Config{Router: echoing}, &session.Config{Router: echoing})
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				var wg sync.WaitGroup
				calls := min(100, (2<<20)/size/8+1)
				for _, s := range []*session.Session{ds, as} {
					r := s.Route(method("echo"))
					for range 64 {
						wg.Go(func() {
							payload := make([]byte, size)
							var buf []byte
							for range calls {
								rep, err := r.Call(ctx, session.Message{Payload: payload}, buf[:0])
								if err != nil || len(rep.Payload) != size {
									t.Errorf("size %d: %d bytes, %v", size, len(rep.Payload), err)
									return
								}
								buf = rep.Payload
							}
						})
					}
				}
				wg.Wait()
			})
		})
	}
}

// streaming are methods with streams of each shape.
var streaming = methods{
	"count": {call: func(c *session.Call) {
		x, err := c.Stream()
		if err != nil {
			c.Fail(err)
			return
		}
		for i := range 10000 {
			if err := x.Send(c.Context(), session.Message{Payload: []byte{byte(i), byte(i >> 8)}}); err != nil {
				c.Fail(err)
				return
			}
		}
		c.Reply(session.Message{})
	}},
	"sum": {call: func(c *session.Call) {
		x, _ := c.Stream()
		n := 0
		for {
			item, err := x.Recv(c.Context(), nil)
			if err == io.EOF {
				break
			}
			if err != nil {
				c.Fail(err)
				return
			}
			n += len(item.Payload)
		}
		c.Reply(session.Message{Payload: []byte{byte(n >> 16), byte(n >> 8), byte(n)}})
	}},
	"echoes": {call: func(c *session.Call) {
		x, _ := c.Stream()
		for {
			item, err := x.Recv(c.Context(), nil)
			if err != nil {
				break
			}
			x.Send(c.Context(), session.Message{Payload: item.Payload})
		}
		c.Reply(session.Message{})
	}},
}

func TestStream(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ds, _ := pair(t, d, a, nil, &session.Config{Router: streaming})
		x, err := ds.Route(method("count")).Open(t.Context(), wire.ServerStream, session.Message{})
		must(t, err)
		for i := range 10000 {
			item, err := x.Recv(t.Context(), nil)
			must(t, err)
			if got := int(item.Payload[0]) | int(item.Payload[1])<<8; got != i {
				t.Fatalf("item %d is %d", i, got)
			}
		}
		if _, err := x.Recv(t.Context(), nil); err != io.EOF {
			t.Fatalf("end: %v", err)
		}
		y, err := ds.Route(method("sum")).Open(t.Context(), wire.ClientStream, session.Message{})
		must(t, err)
		for range 3000 {
			must(t, y.Send(t.Context(), session.Message{Payload: make([]byte, 100)}))
		}
		must(t, y.CloseSend())
		rep, err := y.Reply(t.Context())
		must(t, err)
		if n := int(rep.Payload[0])<<16 | int(rep.Payload[1])<<8 | int(rep.Payload[2]); n != 300000 {
			t.Fatalf("sum %d", n)
		}
		z, err := ds.Route(method("echoes")).Open(t.Context(), wire.Duplex, session.Message{})
		must(t, err)
		for range 1000 {
			must(t, z.Send(t.Context(), session.Message{Payload: []byte("x")}))
			_, err := z.Recv(t.Context(), nil)
			must(t, err)
		}
		must(t, z.CloseSend())
		_, err = z.Reply(t.Context())
		must(t, err)
		_, err = ds.Route(method("count")).Call(t.Context(), session.Message{}, nil)
		if !errors.Is(err, status.WrongShape) {
			t.Fatalf("call of a stream: %v", err)
		}
	})
}

func TestEvents(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		got := make(chan uint64, 100000)
		router := methods{"news": {receive: func(_ *session.Session, f *session.Frame) { got <- f.Sequence }}}
		ds, _ := pair(t, d, a, nil, &session.Config{Router: router})
		r := ds.Route(wire.Bind{Class: wire.ClassTopic, Name: "news"})
		for range 50000 {
			must(t, r.Emit(t.Context(), session.Message{Payload: make([]byte, 64)}))
		}
		must(t, ds.Ping(t.Context()))
		for i := range 50000 {
			if seq := <-got; seq != uint64(i+1) {
				t.Fatalf("message %d has sequence %d", i+1, seq)
			}
		}
		err := ds.Route(wire.Bind{Class: wire.ClassTopic, Name: "nothing"}).Emit(t.Context(), session.Message{})
		if !errors.Is(err, status.UnknownMethod) {
			t.Fatalf("refused topic: %v", err)
		}
	})
}

// A handler that sleeps is cancelled within milliseconds and delays no other call.
func TestSlowHandler(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		ended, began := make(chan time.Time, 1), make(chan struct{})
		router := methods{
			"echo": {call: echo},
			"sleep": {call: func(c *session.Call) {
				close(began)
				<-c.Context().Done()
				ended <- time.Now()
				c.Fail(c.Context().Err())
			}},
		}
		ds, _ := pair(t, d, a, nil, &session.Config{Router: router})
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := ds.Route(method("sleep")).Call(ctx, session.Message{}, nil)
			failed <- err
		}()
		<-began
		for range 50 {
			_, err := ds.Route(method("echo")).Call(t.Context(), session.Message{}, nil)
			must(t, err)
		}
		at := time.Now()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled call: %v", err)
		}
		t.Logf("the handler was cancelled after %v", (<-ended).Sub(at))
	})
}

// A handler may call its caller, which calls back, on one connection.
func TestNestedCalls(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		nested := func(c *session.Call) {
			depth := c.Payload[0]
			if depth == 0 {
				c.Reply(session.Message{Payload: []byte{0}})
				return
			}
			rep, err := c.Session().Route(method("nest")).Call(c.Context(), session.Message{Payload: []byte{depth - 1}}, nil)
			if err != nil {
				c.Fail(err)
				return
			}
			c.Reply(session.Message{Payload: []byte{rep.Payload[0] + 1}})
		}
		router := methods{"nest": {call: nested}}
		ds, as := pair(t, d, a, &session.Config{Router: router}, &session.Config{Router: router})
		for _, s := range []*session.Session{ds, as} {
			rep, err := s.Route(method("nest")).Call(t.Context(), session.Message{Payload: []byte{20}}, nil)
			must(t, err)
			if rep.Payload[0] != 20 {
				t.Fatalf("depth %d", rep.Payload[0])
			}
		}
	})
}

func TestPeerGone(t *testing.T) {
	eachConn(t, func(t *testing.T, d, a transport.Conn) {
		block := methods{"block": {call: func(c *session.Call) { <-c.Context().Done(); c.Fail(c.Context().Err()) }}}
		ds, as := pair(t, d, a, nil, &session.Config{Router: block})
		p := ds.Route(method("block")).Go(t.Context(), session.Message{})
		must(t, ds.Ping(t.Context()))
		as.Close()
		if _, err := p.Wait(t.Context()); !errors.Is(err, status.PeerGone) {
			t.Fatalf("call at the end: %v", err)
		}
		if _, err := ds.Route(method("block")).Call(t.Context(), session.Message{}, nil); !errors.Is(err, status.PeerGone) || !status.Retryable(err) {
			t.Fatalf("call after the end: %v", err)
		}
		if err := ds.Err(); !errors.Is(err, status.PeerGone) || errors.Is(err, net.ErrClosed) {
			t.Fatal(err)
		}
	})
}
