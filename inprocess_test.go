// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// A member of the hub's own process has no socket between, and no rights that others of the
// hub's user lack: it may remove members, as they may.
func TestJoinKeepsTheRules(t *testing.T) {
	h := hub.New(hub.Config{MaxChannelsPerMember: 2, DefaultQueue: 4})
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: h})
	must(t, err)
	defer srv.Close()
	ctx := t.Context()
	join := func(id string) *plexus.Client {
		t.Helper()
		c, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: id})
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	a, b := join("a"), join("b")
	if _, err := plexus.Join(ctx, srv, &plexus.DialOptions{ID: "a"}); status.CodeOf(err) != status.AlreadyExists {
		t.Fatalf("a second a: %v", err)
	}
	_, err = plexus.Declare(a.Channel("ch"), "t")
	must(t, err)
	_, err = plexus.Handle(a.Channel("ch"), "m", func(context.Context, int) (int, error) { return 1, nil })
	must(t, err)
	kick := func(by *plexus.Client, whom string) error {
		return by.Channel("ch").Operate(ctx, operation.Kick, operation.Eviction{Channel: "ch", Member: whom}, nil)
	}
	_, err = b.Channel("ch").Join(ctx)
	must(t, err)
	for _, c := range []struct {
		doing string
		err   error
		want  status.Code
	}{
		{"publish on another's topic", plexus.Publish(ctx, b.Channel("ch"), "t", 1), status.NotOwner},
		{"publish on none", plexus.Publish(ctx, b.Channel("ch"), "u", 1), status.Undeclared},
		{"provide another's method", second(plexus.Handle(b.Channel("ch"), "m", func(context.Context, int) (int, error) { return 2, nil })), status.AlreadyExists},
		{"join the hub's own channel", second(b.Channel("$logs").Join(ctx)), status.InvalidArgument},
		{"join a pattern", second(b.Channel("a.*").Join(ctx)), status.InvalidArgument},
		{"join a second channel", second(b.Channel("two").Join(ctx)), status.OK},
		{"join too many", second(b.Channel("three").Join(ctx)), status.LimitExceeded},
		{"subscribe with an endless queue", second(plexus.Subscribe[int](ctx, b.Channel("ch"), "t", plexus.WithQueue(1<<30, ""))), status.InvalidArgument},
		{"kick", kick(a, "b"), status.OK},
		{"kick again", kick(a, "b"), status.NotFound},
	} {
		if status.CodeOf(c.err) != c.want {
			t.Errorf("%s: got %v, want %v", c.doing, c.err, c.want)
		}
	}
	// Who does not read has a bounded queue here, too.
	_, err = plexus.Subscribe[[]byte](ctx, b.Channel("ch"), "t")
	must(t, err)
	for range 200 {
		must(t, plexus.Publish(ctx, a.Channel("ch"), "t", make([]byte, 10_000)))
	}
	_, err = plexus.Call[int](ctx, b.Channel("ch"), "m", 1)
	must(t, err)
	s, err := a.Session(ctx)
	must(t, err)
	must(t, s.Ping(ctx))
	if st := h.Status(); st.Queued > 4 || st.Dropped["queue_full"] == 0 || st.Sessions != 2 {
		t.Fatalf("%+v", st)
	}
}

func second[T any](_ T, err error) error { return err }

// A call through a hub whose three parties are in one process, over sockets and without:
// the difference is what the kernel costs.
func BenchmarkInProcess(b *testing.B) {
	for _, c := range []struct {
		name                 string
		provider, callerUnix bool
	}{{"unix to unix", true, true}, {"unix to member", false, true}, {"member to member", false, false}} {
		b.Run(c.name, func(b *testing.B) {
			dir, err := os.MkdirTemp("", "plexus")
			must(b, err)
			defer os.RemoveAll(dir)
			address := "unix://" + filepath.Join(dir, "s")
			srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
			must(b, err)
			defer srv.Close()
			connect := func(unix bool) *plexus.Client {
				var m *plexus.Client
				if unix {
					m, err = plexus.Dial(b.Context(), address, nil)
				} else {
					m, err = plexus.Join(b.Context(), srv, nil)
				}
				must(b, err)
				return m
			}
			p, m := connect(c.provider), connect(c.callerUnix)
			defer p.Close()
			defer m.Close()
			_, err = plexus.Handle(p.Channel("ch"), "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
			must(b, err)
			echo := plexus.Bind[[]byte, []byte](m.Channel("ch"), "echo")
			payload := make([]byte, 64)
			_, err = echo.Call(b.Context(), payload)
			must(b, err)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := echo.Call(b.Context(), payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
