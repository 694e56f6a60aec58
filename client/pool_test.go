// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// lake is a server for pools, in a bubble: "echo" answers, "wait" does when the test says so,
// "feed" is a stream that ends then.
type lake struct {
	t     *testing.T
	keep  *session.Keeper
	wg    sync.WaitGroup
	goOn  chan struct{} // closed: "wait" answers
	began atomic.Int64  // calls of "wait"
	dials atomic.Int64

	mu    sync.Mutex
	srv   *server.Server
	conns []*mem.Conn
	no    error // what dialling says
}

func newLake(t *testing.T) *lake {
	l := &lake{t: t, keep: new(session.Keeper), goOn: make(chan struct{})}
	l.start()
	t.Cleanup(func() { l.server().Close(); l.wg.Wait() })
	return l
}

// start has a new server take the place of the present one.
func (l *lake) start() {
	srv := server.New(server.Config{Session: session.Config{Keeper: l.keep}})
	offer := func(name string, shape session.Shape, h service.Handler) {
		if _, err := srv.Offer(context.Background(), name, service.Terms{Shape: shape}, h); err != nil {
			l.t.Fatal(err)
		}
	}
	offer("echo", session.Unary, func(c *session.Call) { c.Reply(session.Message{Payload: c.Payload}) })
	offer("wait", session.Unary, func(c *session.Call) {
		l.began.Add(1)
		select {
		case <-l.goOn:
		case <-c.Context().Done():
		}
		c.Reply(session.Message{})
	})
	offer("feed", session.ServerStream, func(c *session.Call) {
		if _, err := c.Stream(); err != nil {
			return
		}
		select {
		case <-l.goOn:
		case <-c.Context().Done():
		}
		c.Reply(session.Message{})
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.srv = srv
}

func (l *lake) server() *server.Server {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.srv
}

// dial makes a client for a pool.
func (l *lake) dial(context.Context) (*client.Client, error) {
	l.dials.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.no != nil {
		return nil, l.no
	}
	srv := l.srv
	return client.New(client.Config{Session: session.Config{Keeper: l.keep}, Dial: func(context.Context) (transport.Conn, error) {
		near, far := mem.Pipe()
		l.wg.Go(func() { srv.ServeConn(far, true) })
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, far)
		return near, nil
	}}), nil
}

// refuses has dialling fail, or not.
func (l *lake) refuses(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.no = err
}

// pool returns a pool that is closed at the end of the test.
func (l *lake) pool(cfg client.PoolConfig) *client.Pool {
	cfg.Dial = l.dial
	p := client.NewPool(cfg)
	l.t.Cleanup(func() { p.Close() })
	return p
}

// echo makes a call.
func (l *lake) echo(p *client.Pool) {
	l.t.Helper()
	rep, err := p.Method("echo").Call(l.t.Context(), session.Message{Payload: []byte("x")}, nil)
	if err != nil || string(rep.Payload) != "x" {
		l.t.Errorf("%q, %v", rep.Payload, err)
	}
}

// waits begins n calls of "wait" and returns once they are with the server.
func (l *lake) waits(p *client.Pool, n int) (end func() []error) {
	var wg sync.WaitGroup
	errs := make([]error, n)
	want := l.began.Load() + int64(n)
	for i := range n {
		wg.Go(func() { _, errs[i] = p.Method("wait").Call(l.t.Context(), session.Message{}, nil) })
		pass(10 * time.Millisecond) // the handler has handed on the goroutine that reads
	}
	if got := l.began.Load(); got != want {
		l.t.Errorf("%d calls arrived, want %d", got, want)
	}
	return func() []error { wg.Wait(); return errs }
}

// swim runs a test in a bubble.
func swim(t *testing.T, f func(t *testing.T, l *lake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { pass(time.Second) }) // the keeper sees that nothing is left
		f(t, newLake(t))
	})
}

// pass lets time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// Many first uses at once open one session; more are opened when those there are have enough to
// do, up to the bound, and calls go where the least is under way.
func TestPoolSpreads(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{MaxOpen: 3, Calls: 2})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { l.echo(p) })
		}
		wg.Wait()
		if n := l.dials.Load(); n < 1 || n > 3 {
			t.Errorf("%d sessions for the first uses", n)
		}
		p.Close()
		l.dials.Store(0)

		p = l.pool(client.PoolConfig{MaxOpen: 3, Calls: 2})
		end := l.waits(p, 2)
		if st := p.Stats(); st.Open != 1 || st.Calls != 2 {
			t.Errorf("%+v", st)
		}
		more := l.waits(p, 10)
		st := p.Stats()
		if st.Open != 3 || st.Calls != 12 || l.dials.Load() != 3 || st.Opened != 3 {
			t.Errorf("%+v", st)
		}
		for _, s := range st.Sessions {
			if s.Calls < 3 || s.Calls > 5 || s.ID == "" || s.Used != uint64(s.Calls) {
				t.Errorf("%+v", st)
			}
		}
		close(l.goOn)
		for _, err := range append(end(), more()...) {
			if err != nil {
				t.Error(err)
			}
		}
		if st := p.Stats(); st.Idle != 3 || st.Calls != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// What has nothing to do is closed after its time, but for what is kept ready; what is used
// stays; a stream is a use.
func TestPoolIdle(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		ready := l.pool(client.PoolConfig{MinIdle: 3})
		synctest.Wait()
		if st := ready.Stats(); st.Open != 3 {
			t.Errorf("three are to be kept ready: %+v", st)
		}
		ready.Close()
		p := l.pool(client.PoolConfig{MaxOpen: 4, Calls: 1, MinIdle: 1, IdleTimeout: time.Minute, Check: -1})
		synctest.Wait()
		if st := p.Stats(); st.Open != 1 || st.Idle != 1 {
			t.Errorf("nothing is kept ready: %+v", st)
		}
		l.echo(p)
		end := l.waits(p, 8)
		pass(10 * time.Minute)
		if st := p.Stats(); st.Open != 4 || st.Idled != 0 {
			t.Errorf("with calls under way: %+v", st)
		}
		close(l.goOn)
		end()
		pass(40 * time.Second)
		if st := p.Stats(); st.Open != 4 {
			t.Errorf("before the time: %+v", st)
		}
		pass(40 * time.Second)
		if st := p.Stats(); st.Open != 1 || st.Idled != 3 {
			t.Errorf("after the time: %+v", st)
		}
		l.goOn = make(chan struct{})
		x, err := p.Method("feed").Open(t.Context(), session.ServerStream, session.Message{})
		if err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		if st := p.Stats(); st.Open != 2 || st.Calls != 1 || st.Idle != 1 {
			t.Errorf("with a stream: %+v", st)
		}
		close(l.goOn)
		if _, err := x.Reply(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// No more are idle than is allowed, and the looking after ends with the last session.
func TestPoolMaxIdle(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{MaxOpen: 4, Calls: 1, MaxIdle: 2, IdleTimeout: time.Hour, Check: -1})
		end := l.waits(p, 8)
		close(l.goOn)
		end()
		pass(40 * time.Minute)
		if st := p.Stats(); st.Open != 2 || st.Idled != 2 {
			t.Errorf("%+v", st)
		}
		pass(2 * time.Hour)
		if st := p.Stats(); st.Open != 0 {
			t.Errorf("%+v", st)
		}
		l.echo(p)
		if st := p.Stats(); st.Open != 1 || st.Opened != 5 {
			t.Errorf("%+v", st)
		}
	})
}

// When the server is replaced, no call fails that was not under way: those to come find a
// session with the new one.
func TestPoolReplacesBroken(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{MaxOpen: 3, Calls: 1})
		end := l.waits(p, 6)
		old := l.server()
		l.start()
		old.Close()
		for _, err := range end() {
			if !errors.Is(err, status.PeerGone) || status.Retryable(err) {
				t.Errorf("under way: %v", err)
			}
		}
		for range 10 {
			l.echo(p)
		}
		if st := p.Stats(); st.Broken != 3 || st.Open != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A server that drains is left: calls under way end, the others go elsewhere.
func TestPoolLeavesDraining(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{})
		end := l.waits(p, 3)
		old := l.server()
		l.start()
		var wg sync.WaitGroup
		wg.Go(func() { old.Shutdown(t.Context()) })
		synctest.Wait()
		for range 10 {
			l.echo(p)
		}
		close(l.goOn)
		for _, err := range end() {
			if err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		if st := p.Stats(); st.Open != 1 || st.Opened != 2 || st.Broken != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A call that a draining server has refused, because it had not told yet, goes to the next; one
// that a server refuses which stays does not.
func TestPoolMovesWhatWasNotServed(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{IdleTimeout: -1})
		l.echo(p)
		_, err := p.Method("none").Call(t.Context(), session.Message{}, nil)
		if !errors.Is(err, status.UnknownMethod) || p.Stats().Moved != 0 || l.dials.Load() != 1 {
			t.Errorf("%v, %+v", err, p.Stats())
		}
		end := l.waits(p, 1)
		l.conns[0].SetFaults(mem.Faults{Delay: time.Second})
		old := l.server()
		l.start()
		var wg sync.WaitGroup
		wg.Go(func() { old.Shutdown(t.Context()) })
		synctest.Wait()
		l.echo(p)
		if st := p.Stats(); st.Moved != 1 || st.Broken != 1 || st.Opened != 2 {
			t.Errorf("%+v", st)
		}
		close(l.goOn)
		if err := end()[0]; err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// A session whose other side does not answer any more is closed by the next check, and its
// calls are told.
func TestPoolChecks(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{Check: time.Minute, CheckTimeout: 2 * time.Second, IdleTimeout: -1})
		end := l.waits(p, 1)
		pass(3 * time.Minute)
		if st := p.Stats(); st.Open != 1 || st.Unhealthy != 0 {
			t.Errorf("%+v", st)
		}
		l.conns[0].SetFaults(mem.Faults{Stall: true})
		pass(2 * time.Minute)
		if err := end()[0]; !errors.Is(err, status.PeerGone) {
			t.Error(err)
		}
		if st := p.Stats(); st.Unhealthy != 1 || st.Open != 0 {
			t.Errorf("%+v", st)
		}
		l.conns[0].SetFaults(mem.Faults{})
		l.echo(p)
	})
}

// When nothing can be opened, all who wait are told why, once per attempt; when something is
// open, a failure to open more hurts nobody and is not repeated at once.
func TestPoolCannotDial(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{Calls: 1})
		l.refuses(errors.New("no cable"))
		_, err := p.Method("echo").Call(t.Context(), session.Message{}, nil)
		if !errors.Is(err, status.Unavailable) || !status.Retryable(err) {
			t.Error(err)
		}
		l.refuses(nil)
		pass(2 * time.Second)
		end := l.waits(p, 1)
		l.refuses(errors.New("no cable"))
		l.dials.Store(0)
		for range 20 {
			l.echo(p)
			synctest.Wait()
		}
		if n := l.dials.Load(); n != 1 {
			t.Errorf("%d attempts for more", n)
		}
		pass(2 * time.Second)
		l.echo(p)
		synctest.Wait()
		if n := l.dials.Load(); n != 2 || p.Stats().Failed != 3 || !errors.Is(p.Stats().LastError, l.no) {
			t.Errorf("%d attempts for more, %+v", n, p.Stats())
		}
		close(l.goOn)
		end()
	})
}

// Close ends calls, attempts and waiting; Shutdown with drain lets calls end.
func TestPoolClose(t *testing.T) {
	swim(t, func(t *testing.T, l *lake) {
		p := l.pool(client.PoolConfig{})
		end := l.waits(p, 2)
		p.Close()
		for _, err := range end() {
			if !errors.Is(err, status.Closed) && !errors.Is(err, status.PeerGone) { // who is faster: this side, or the other's answer to its farewell
				t.Error(err)
			}
		}
		if _, err := p.Method("echo").Call(t.Context(), session.Message{}, nil); !errors.Is(err, status.Closed) {
			t.Error(err)
		}

		p = l.pool(client.PoolConfig{Calls: 1})
		end = l.waits(p, 2)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := p.Shutdown(t.Context(), true); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(l.goOn)
		for _, err := range end() {
			if err != nil {
				t.Error(err)
			}
		}
		wg.Wait()

		hangs := client.NewPool(client.PoolConfig{Dial: func(ctx context.Context) (*client.Client, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := hangs.Method("echo").Call(short, session.Message{}, nil); !errors.Is(err, status.DeadlineExceeded) {
			t.Error(err)
		}
		wg.Go(func() {
			if _, err := hangs.Method("echo").Call(t.Context(), session.Message{}, nil); !errors.Is(err, status.Closed) {
				t.Error(err)
			}
		})
		synctest.Wait()
		hangs.Close()
		wg.Wait()
	})
}

// Calls, cuts and looks at the counts at the same time, in real time: nothing is lost.
func TestPoolRace(t *testing.T) {
	l := newLake(t)
	p := l.pool(client.PoolConfig{Calls: 1, MinIdle: 1, IdleTimeout: 5 * time.Millisecond, Check: 3 * time.Millisecond})
	var wg sync.WaitGroup
	var good, gone atomic.Int64
	for range 8 {
		wg.Go(func() {
			for range 200 {
				switch _, err := p.Method("echo").Call(t.Context(), session.Message{}, nil); {
				case err == nil:
					good.Add(1)
				case errors.Is(err, status.PeerGone), errors.Is(err, status.Unavailable) && status.Retryable(err): // the handshake was cut
					gone.Add(1)
				default:
					t.Error(err)
				}
				p.Stats()
			}
		})
	}
	wg.Go(func() {
		for n := range 40 {
			l.mu.Lock()
			if len(l.conns) > n {
				l.conns[n].Close()
			}
			l.mu.Unlock()
			l.echoes(p, 10)
		}
	})
	wg.Wait()
	t.Logf("%d good, %d cut, %+v", good.Load(), gone.Load(), p.Stats())
	if good.Load() < 1000 {
		t.Errorf("%d of 1600 calls were good, %d were cut", good.Load(), gone.Load())
	}
}

// echoes makes calls that may be cut.
func (l *lake) echoes(p *client.Pool, n int) {
	for range n {
		_, _ = p.Method("echo").Call(l.t.Context(), session.Message{}, nil)
	}
}
