// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// reconnects makes a member one that comes back.
func reconnects(cfg *client.Config) {
	cfg.Reconnect = &client.Reconnect{MaxDelay: time.Second}
}

// counter is a method that counts how often it was executed, and waits to be let go.
type counter struct {
	runs  atomic.Int64
	began chan struct{}
	goOn  chan struct{}
	ended chan error // why the context of each execution ended, nil if it did not
}

func newCounter() *counter {
	return &counter{began: make(chan struct{}, 100), goOn: make(chan struct{}, 100), ended: make(chan error, 100)}
}

func (c *counter) serve(ctx context.Context, n int) (string, error) {
	run := c.runs.Add(1)
	c.began <- struct{}{}
	select {
	case <-c.goOn:
		c.ended <- nil
		return fmt.Sprintf("%d in run %d", n, run), nil
	case <-ctx.Done():
		c.ended <- ctx.Err()
		return "", ctx.Err()
	}
}

// outcome is what a call came to.
type outcome struct {
	value string
	err   error
}

// ask begins a call.
func ask(ctx context.Context, c plexus.Caller, n int, opts ...plexus.Option) <-chan outcome {
	over := make(chan outcome, 1)
	go func() {
		v, err := plexus.Call[string](ctx, c, "job", n, opts...)
		over <- outcome{v, err}
	}()
	return over
}

// An idempotent call is executed once, whichever connection is cut, and whether its handler
// still runs when the second copy comes or has ended.
func TestOnceAcrossACut(t *testing.T) {
	cuts := map[string]func(caller, provider *hubtest.Member){
		"caller":   func(caller, _ *hubtest.Member) { caller.Cut() },
		"provider": func(_, provider *hubtest.Member) { provider.Cut() },
		"both":     func(caller, provider *hubtest.Member) { caller.Cut(); provider.Cut() },
	}
	for name, cut := range cuts {
		for _, late := range []bool{false, true} {
			for _, group := range []string{"", "g"} {
				t.Run(fmt.Sprintf("%s-late-%v-group-%s", name, late, group), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						h := hubtest.New(t, &hubtest.Options{Hub: hub.Config{OwnerPolicy: hub.Promote}})
						stays, caller, provider := h.Join("stays"), h.Join("caller", reconnects), h.Join("provider", reconnects)
						_, err := stays.Channel("ch").Join(t.Context())
						must(t, err)
						job := newCounter()
						var opts []plexus.Option
						if group != "" {
							opts = append(opts, service.WithGroup(group), plexus.WithIdempotent())
						}
						_, err = plexus.Handle(provider.Channel("ch"), "job", job.serve, opts...)
						must(t, err)
						call := ask(t.Context(), caller.Channel("ch"), 7, plexus.WithIdempotent())
						<-job.began
						if late { // the answer is lost, the second copy comes after it
							caller.Stall()
							provider.Stall()
							job.goOn <- struct{}{}
							must(t, <-job.ended)
							synctest.Wait()
						}
						cut(caller, provider)
						caller.Resume()
						provider.Resume()
						if !late { // the second copy waits for the first
							time.Sleep(3 * time.Second) // in the bubble
							job.goOn <- struct{}{}
						}
						if got := <-call; got.err != nil || got.value != "7 in run 1" {
							t.Errorf("%q, %v", got.value, got.err)
						}
						if n := job.runs.Load(); n != 1 {
							t.Errorf("executed %d times", n)
						}
					})
				})
			}
		}
	}
}

// A caller that gives up ends the handler at once, also one that came back; one that has gone
// for good ends it after a while; what is not idempotent ends with the connection.
func TestOnceAndTheEndOfTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		stays, caller, provider := h.Join("stays"), h.Join("caller", reconnects), h.Join("provider")
		_, err := stays.Channel("ch").Join(t.Context())
		must(t, err)
		job := newCounter()
		_, err = plexus.Handle(provider.Channel("ch"), "job", job.serve)
		must(t, err)
		room := caller.Channel("ch")

		ctx, cancel := context.WithCancel(t.Context())
		call := ask(ctx, room, 1, plexus.WithIdempotent())
		<-job.began
		cancel()
		if err := <-job.ended; !errors.Is(err, context.Canceled) {
			t.Error("given up:", err)
		}
		if got := <-call; !errors.Is(got.err, status.Cancelled) {
			t.Error(got)
		}

		ctx, cancel = context.WithCancel(t.Context())
		call = ask(ctx, room, 2, plexus.WithIdempotent())
		<-job.began
		caller.Cut()
		time.Sleep(5 * time.Second) // the second copy waits at the provider
		cancel()
		if err := <-job.ended; !errors.Is(err, context.Canceled) {
			t.Error("given up after it came back:", err)
		}
		if got := <-call; !errors.Is(got.err, status.Cancelled) {
			t.Error(got)
		}

		plain := ask(t.Context(), room, 3)
		<-job.began
		began := time.Now()
		caller.Cut()
		if err := <-job.ended; !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
			t.Error("not idempotent:", err, time.Since(began))
		}
		if got := <-plain; !errors.Is(got.err, status.PeerGone) || status.Retryable(got.err) {
			t.Error(got)
		}

		call = ask(t.Context(), room, 4, plexus.WithIdempotent())
		<-job.began
		began = time.Now()
		must(t, caller.Close())
		if err := <-job.ended; !errors.Is(err, context.Canceled) || time.Since(began) < 10*time.Second || time.Since(began) > time.Minute {
			t.Error("gone for good:", err, time.Since(began))
		}
		if got := <-call; got.err == nil {
			t.Error(got)
		}
		if n := job.runs.Load(); n != 4 {
			t.Errorf("executed %d times", n)
		}
	})
}

// A provider that does not come back leaves the caller with an error that says that nobody
// knows, when its patience is over; one that comes back anew executes the call again.
func TestOnceAndAnotherProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		stays, caller, provider := h.Join("stays"), h.Join("caller", reconnects), h.Join("provider")
		_, err := stays.Channel("ch").Join(t.Context())
		must(t, err)
		job := newCounter()
		_, err = plexus.Handle(provider.Channel("ch"), "job", job.serve)
		must(t, err)
		room := caller.Channel("ch")
		call := ask(t.Context(), room, 1, plexus.WithIdempotent())
		<-job.began
		began := time.Now()
		provider.Cut()
		<-job.ended
		got := <-call
		if !errors.Is(got.err, status.PeerGone) || status.Retryable(got.err) {
			t.Error(got.err)
		}
		if d := time.Since(began); d < 9*time.Second || d > 11*time.Second {
			t.Error("after", d)
		}
		if _, err := plexus.Call[string](t.Context(), room, "job", 2, plexus.WithIdempotent()); !errors.Is(err, status.NoProvider) || !status.Retryable(err) {
			t.Error("a call that was never lost:", err)
		}

		again := h.Join("again")
		_, err = plexus.Handle(again.Channel("ch"), "job", job.serve)
		must(t, err)
		call = ask(t.Context(), room, 3, plexus.WithIdempotent())
		<-job.began
		again.Cut()
		<-job.ended
		third := h.Join("third")
		_, err = plexus.Handle(third.Channel("ch"), "job", job.serve)
		must(t, err)
		<-job.began
		job.goOn <- struct{}{}
		if got := <-call; got.err != nil || got.value != "3 in run 3" {
			t.Error(got)
		}
	})
}

// A call that ends its provider each time is not sent for ever.
func TestOncePoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		stays, caller, provider := h.Join("stays"), h.Join("caller", reconnects), h.Join("provider")
		_, err := stays.Channel("ch").Join(t.Context())
		must(t, err)
		var deaths atomic.Int64
		died := make(chan struct{}, 10)
		serve := func(m *hubtest.Member) {
			_, err := plexus.Handle(m.Channel("ch"), "job", func(ctx context.Context, _ int) (string, error) {
				deaths.Add(1)
				m.Cut()
				<-ctx.Done()
				died <- struct{}{}
				return "", ctx.Err()
			})
			must(t, err)
		}
		serve(provider)
		call := ask(t.Context(), caller.Channel("ch"), 1, plexus.WithIdempotent())
		for range 2 {
			<-died
			serve(h.Join(""))
		}
		if got := <-call; !errors.Is(got.err, status.PeerGone) {
			t.Error(got)
		}
		if deaths.Load() != 3 {
			t.Error(deaths.Load(), "deaths")
		}
	})
}

// Close waits for the handlers of connections that were lost, too.
func TestOnceCloseWaitsForLostHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		stays, caller, provider := h.Join("stays"), h.Join("caller", reconnects), h.Join("provider", reconnects)
		_, err := stays.Channel("ch").Join(t.Context())
		must(t, err)
		began := make(chan struct{}, 1)
		var ended atomic.Bool
		_, err = plexus.Handle(provider.Channel("ch"), "job", func(ctx context.Context, _ int) (string, error) {
			began <- struct{}{}
			<-ctx.Done()
			time.Sleep(time.Minute) // in the bubble: it takes its time to end
			ended.Store(true)
			return "", ctx.Err()
		})
		must(t, err)
		call := ask(t.Context(), caller.Channel("ch"), 1, plexus.WithIdempotent())
		<-began
		provider.Cut()
		time.Sleep(2 * time.Second) // the second copy waits at the connection that followed
		must(t, provider.Close())
		if !ended.Load() {
			t.Error("Close has not waited")
		}
		if got := <-call; got.err == nil {
			t.Error(got)
		}
	})
}
