// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// published has a server without a hub publish n times to a subscriber who has read nothing.
func published(t *testing.T, n int) (*plexus.Server, *service.Subscription) {
	t.Helper()
	address := path(t)
	srv, err := plexus.Listen(address, nil)
	must(t, err)
	t.Cleanup(func() { srv.Close() })
	_, err = plexus.Declare(srv, "ticks")
	must(t, err)
	c, err := plexus.Dial(t.Context(), address, &plexus.DialOptions{ID: "slow", Session: session.Config{StreamWindow: 4096}})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	sub, err := c.Channel("").Subscribe(t.Context(), "ticks", service.SubscribeOptions{Queue: 20_000})
	must(t, err)
	text := strings.Repeat("x", 100)
	for range n {
		must(t, plexus.Publish(t.Context(), srv, "ticks", text))
	}
	return srv, sub
}

// A server delivers what waits for those who read, before it ends.
func TestServerDrainDelivers(t *testing.T) {
	const n = 5000
	srv, sub := published(t, n)
	type end struct {
		r   operation.DrainReport
		err error
	}
	done := make(chan end, 1)
	go func() {
		r, err := srv.Drain(t.Context())
		done <- end{r, err}
	}()
	got := 0
	for {
		_, err := sub.Recv(t.Context())
		if errors.Is(err, status.Unavailable) {
			break
		}
		must(t, err)
		got++
	}
	if e := <-done; e.err != nil || e.r.Undelivered != 0 || e.r.CallsCut != 0 || got != n {
		t.Errorf("%d of %d were delivered: %+v, %v", got, n, e.r, e.err)
	}
}

// A server whose subscriber does not read ends when its time is up, and tells what was left.
func TestServerDrainReport(t *testing.T) {
	const n = 5000
	srv, _ := published(t, n)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	r, _ := srv.Drain(ctx)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	want := operation.Undelivered{Member: "slow", Name: "ticks", Messages: r.Undelivered}
	if r.Undelivered < n/2 || len(r.Left) != 1 || r.Left[0] != want || r.CallsCut != 0 {
		t.Errorf("%+v", r)
	}
}
