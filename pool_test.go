// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/status"
)

// poolOf returns a pool of clients of an address, which is closed at the end.
func poolOf(t testing.TB, address string, o *plexus.DialOptions, cfg client.PoolConfig) *client.Pool {
	cfg.Dial = func(ctx context.Context) (*plexus.Client, error) { return plexus.Dial(ctx, address, o) }
	p := client.NewPool(cfg)
	t.Cleanup(func() { p.Close() })
	return p
}

// A pool serves the functions of the facade as a Client does: calls, futures, streams, calls
// of one member of a channel; over sessions that prove a secret and unlock a channel each.
func TestPoolServesTheFacade(t *testing.T) {
	address, secret := path(t), []byte("a secret of the pool's own")
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{}), Secret: secret})
	must(t, err)
	defer srv.Close()
	o := &plexus.DialOptions{Secret: secret}
	worker, err := plexus.Dial(t.Context(), address, o)
	must(t, err)
	defer worker.Close()
	ch := worker.Channel("math").WithPassword("open sesame")
	_, err = plexus.Handle(ch, "double", func(ctx context.Context, n int) (int, error) { return 2 * n, nil })
	must(t, err)
	_, err = plexus.HandleStream(ch, "count", func(ctx context.Context, n int, send func(int) error) error {
		for i := range n {
			if err := send(i); err != nil {
				return err
			}
		}
		return nil
	})
	must(t, err)

	p := client.NewPool(client.PoolConfig{MaxOpen: 3, Calls: 1, Dial: func(ctx context.Context) (*plexus.Client, error) {
		c, err := plexus.Dial(ctx, address, o)
		if err != nil {
			return nil, err
		}
		if err := c.Channel("math").Unlock(ctx, "open sesame"); err != nil {
			c.Close()
			return nil, err
		}
		return c, nil
	}})
	defer p.Close()
	math := p.Channel("math")
	double := plexus.Bind[int, int](math, "double")
	round := func() {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for n := range 50 {
					if out, err := plexus.Call[int](t.Context(), math, "double", n); err != nil || out != 2*n {
						t.Errorf("call: %d, %v", out, err)
					}
					if out, err := double.Go(t.Context(), g).Wait(t.Context()); err != nil || out != 2*g {
						t.Errorf("future: %d, %v", out, err)
					}
					if out, err := plexus.Call[int](t.Context(), math.At(worker.ID()), "double", n); err != nil || out != 2*n {
						t.Errorf("at the worker: %d, %v", out, err)
					}
				}
				next := 0
				for n, err := range plexus.Stream[int](t.Context(), math, "count", 20) {
					if err != nil || n != next {
						t.Errorf("stream: %d, %v", n, err)
					}
					next++
				}
			})
		}
		wg.Wait()
	}
	for p.Stats().Open < 3 { // they are opened beside the calls, and unlocking takes its time
		round()
	}
	round()
	st := p.Stats()
	if st.Open != 3 || st.Calls != 0 || st.Idle != 3 || math.Name() != "math" {
		t.Errorf("%+v", st)
	}
	for _, s := range st.Sessions {
		if s.Used < 10 {
			t.Errorf("the load is not spread: %+v", st.Sessions)
		}
	}
}

// A server at the same address is closed and another follows: a pool that had sessions with the
// first serves every call that begins after that.
func TestPoolAfterRestart(t *testing.T) {
	address := path(t)
	serve := func() *plexus.Server {
		srv, err := plexus.Listen(address, nil)
		must(t, err)
		_, err = plexus.Handle(srv, "echo", func(_ context.Context, s string) (string, error) { return s, nil })
		must(t, err)
		return srv
	}
	srv := serve()
	p := poolOf(t, address, nil, client.PoolConfig{Calls: 1})
	calls := func(n int) int64 {
		var bad atomic.Int64
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if _, err := plexus.Call[string](t.Context(), p, "echo", "x"); err != nil {
					t.Log(err)
					bad.Add(1)
				}
			})
		}
		wg.Wait()
		return bad.Load()
	}
	for range 3 {
		if bad := calls(20); bad > 0 {
			t.Errorf("%d of 20 calls failed", bad)
		}
		srv.Close()
		if _, err := plexus.Call[string](t.Context(), p, "echo", "x"); !status.Retryable(err) {
			t.Errorf("while nobody serves: %v", err)
		}
		srv = serve()
	}
	defer srv.Close()
	if bad := calls(20); bad > 0 {
		t.Errorf("%d of 20 calls failed", bad)
	}
	if st := p.Stats(); st.Opened < 4 || st.Broken < 3 {
		t.Errorf("%+v", st)
	}
}

// What a pool of several sessions brings to 64 callers, and what it costs.
func BenchmarkPool(b *testing.B) {
	serverTLS, clientTLS := certificate(b)
	for _, transport := range []string{"unix", "tls"} {
		for _, size := range []int{16, 16 << 10} {
			for _, sessions := range []int{0, 1, 2, 4} {
				b.Run(fmt.Sprintf("%s/%d/sessions=%d", transport, size, sessions), func(b *testing.B) {
					address := path(b)
					if transport == "tls" {
						address = "tls://127.0.0.1:0"
					}
					srv, err := plexus.Listen(address, &plexus.ListenOptions{TLS: serverTLS})
					must(b, err)
					b.Cleanup(func() { srv.Close() })
					_, err = plexus.Handle(srv, "echo", func(_ context.Context, p []byte) ([]byte, error) { return p, nil })
					must(b, err)
					o := &plexus.DialOptions{TLS: clientTLS}
					var to plexus.Caller
					if sessions == 0 { // without a pool
						c, err := plexus.Dial(b.Context(), srv.Endpoints()[0], o)
						must(b, err)
						b.Cleanup(func() { c.Close() })
						to = c
					} else {
						to = poolOf(b, srv.Endpoints()[0], o, client.PoolConfig{MaxOpen: sessions, Calls: 1, MinIdle: sessions})
					}
					echoAll(b, to, make([]byte, size))
				})
			}
		}
	}
}

// echoAll has 64 callers share b.N calls.
func echoAll(b *testing.B, to plexus.Caller, payload []byte) {
	echo := plexus.Bind[[]byte, []byte](to, "echo")
	var left atomic.Int64
	run := func(n int) {
		left.Store(int64(n))
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for left.Add(-1) >= 0 {
					if _, err := echo.Call(context.Background(), payload); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	run(2000) // all sessions are open
	b.ReportAllocs()
	b.ResetTimer()
	run(b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
