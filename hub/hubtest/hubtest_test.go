// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// both runs a test outside a bubble and inside one.
func both(t *testing.T, f func(t *testing.T)) {
	t.Run("outside", f)
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, f) })
}

// A stalled subscriber costs the publisher nothing, and is told what it has missed.
func TestStall(t *testing.T) {
	both(t, func(t *testing.T) {
		const n = 2000
		h := hubtest.New(t, &hubtest.Options{Hub: hub.Config{DefaultQueue: 10}})
		pub, sub := h.Join("pub"), h.Join("sub")
		ch := pub.Channel("ch")
		_, err := plexus.Declare(ch, "t")
		must(t, err)
		s, err := plexus.Subscribe[[]byte](t.Context(), sub.Channel("ch"), "t")
		must(t, err)
		sub.Stall()
		for range n {
			must(t, plexus.Publish(t.Context(), ch, "t", make([]byte, 1000)))
		}
		h.Quiet()
		st := h.Status()
		if st.Published != n || st.Dropped["queue_full"] == 0 || len(hubtest.Audit(st)) > 0 {
			t.Fatalf("%+v %v", st, hubtest.Audit(st))
		}
		sub.Resume()
		var got, missed uint64
		for got+missed < n {
			p, err := s.Next(t.Context())
			must(t, err)
			got, missed = got+1, missed+p.Dropped
		}
		h.Quiet()
		if st := h.Status(); got != st.Delivered || missed != st.Dropped["queue_full"] || st.Queued != 0 {
			t.Fatalf("%d got, %d missed, %+v", got, missed, st)
		}
	})
}

// Who comes under an id that is taken is refused, until the other has gone.
func TestDialAndGone(t *testing.T) {
	both(t, func(t *testing.T) {
		h := hubtest.New(t, nil)
		first, second := h.Join("a"), h.Dial("a")
		if err := second.Connect(t.Context()); !errors.Is(err, status.AlreadyExists) {
			t.Fatal(err)
		}
		h.Dial("never").Gone()
		first.Client.Close()
		first.Gone()
		h.Join("a")
	})
}

// A connection that breaks by script, after so many frames.
func TestScript(t *testing.T) {
	h := hubtest.New(t, nil)
	p, c := h.Join("p"), h.Join("c")
	_, err := plexus.Handle(p.Channel("ch"), "m", func(context.Context, int) (int, error) { return 1, nil })
	must(t, err)
	c.Script(mem.Faults{CutFrames: 8}, mem.Faults{})
	calls := 0
	for err = nil; err == nil; calls++ {
		_, err = plexus.Call[int](t.Context(), c.Channel("ch"), "m", 1)
	}
	if !errors.Is(err, status.PeerGone) && !errors.Is(err, status.Unavailable) || calls < 2 {
		t.Fatal(calls, err)
	}
	c.Gone()
}

func TestAudit(t *testing.T) {
	for _, c := range []struct {
		s    operation.HubStatus
		want int
	}{
		{operation.HubStatus{}, 0},
		{operation.HubStatus{Matched: 3, Delivered: 1, Queued: 1, Dropped: map[string]uint64{"closed": 1, "undeclared": 7}, Sessions: 1}, 0},
		{operation.HubStatus{Matched: 3, Delivered: 1}, 1},
		{operation.HubStatus{Channels: 1}, 1},
		{operation.HubStatus{Delivered: 1, Queued: 1}, 2},
	} {
		if got := hubtest.Audit(c.s); len(got) != c.want {
			t.Errorf("%+v: %q", c.s, got)
		}
	}
}

// witness is a test that may fail.
type witness struct {
	testing.TB
	clean  []func()
	failed string
}

func (w *witness) Helper()                   {}
func (w *witness) Cleanup(f func())          { w.clean = append(w.clean, f) }
func (w *witness) Errorf(f string, a ...any) { w.failed += fmt.Sprintf(f, a...) }
func (w *witness) Failed() bool              { return w.failed != "" }

// A handler that never ends fails the test that has it, and does not hang it.
func TestHandlerThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{TB: t}
		h := hubtest.New(w, nil)
		p, c := h.Join("p"), h.Join("c")
		running, leave := make(chan struct{}), make(chan struct{})
		_, err := plexus.Handle(p.Channel("ch"), "stay", func(context.Context, int) (int, error) {
			close(running)
			<-leave
			return 0, nil
		})
		must(t, err)
		plexus.Bind[int, int](c.Channel("ch"), "stay").Go(t.Context(), 1)
		<-running
		w.clean[0]()
		if !strings.Contains(w.failed, "listener of p has not ended") {
			t.Fatalf("%q", w.failed)
		}
		close(leave)
		c.Client.Close()
		h.Hub.Close()
		<-time.After(time.Second)
	})
}
