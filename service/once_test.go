// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// numberedCall is a call that may be sent again, and a copy of it.
func numberedCall(seq uint64, attempt uint32) session.Message {
	return session.Message{
		Payload: []byte("x"), Idempotent: true, Once: &session.Once{Key: [16]byte{1}, Sequence: seq, Floor: 1, Attempt: attempt},
	}
}

// offer offers a method of the far table.
func offer(t *testing.T, far *service.Table, name string, h service.Handler) {
	t.Helper()
	_, err := far.Handle("", name, service.Terms{}, h)
	must(t, err)
}

// oncePair is pair inside a bubble.
func oncePair(t *testing.T) (*service.Channel, *service.Table) {
	ch, _, far := pair(t, session.Config{Keeper: new(session.Keeper)})
	return ch, far
}

// Copies wait for the first, all get its answer, and no more wait than are allowed.
func TestOnceCopiesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Second) }) // the Keeper goes home
		ch, far := oncePair(t)
		goOn := make(chan struct{})
		var runs atomic.Int64
		offer(t, far, "job", func(c *session.Call) {
			runs.Add(1)
			ctx := c.Context()
			select {
			case <-goOn:
			case <-ctx.Done():
			}
			must(t, c.Reply(session.Message{Codec: 9, Payload: []byte("done")}))
		})
		const copies = 10 // the first, eight that wait, one too many
		results := make(chan error, copies)
		for n := range copies {
			go func() {
				rep, err := ch.Method("job").Call(t.Context(), numberedCall(1, uint32(n)), nil)
				if err == nil && (string(rep.Payload) != "done" || rep.Codec != 9) {
					err = errors.New(string(rep.Payload))
				}
				results <- err
			}()
			synctest.Wait()
		}
		if err := <-results; !errors.Is(err, status.Overloaded) {
			t.Error("one too many:", err)
		}
		close(goOn)
		for range copies - 1 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if n := far.Once(); runs.Load() != 1 || n.Joined != copies-1 || n.Kept != 1 {
			t.Errorf("%d runs, %+v", runs.Load(), n)
		}
		time.Sleep(6 * time.Minute) // in the bubble: what is old is forgotten, though nothing comes
		if n := far.Once(); n.Kept != 0 || n.KeptBytes != 0 || n.Expired != 1 {
			t.Errorf("%+v", n)
		}
		late := numberedCall(1, 1)
		late.Once.Age = uint32((6 * time.Minute).Milliseconds())
		if _, err := ch.Method("job").Call(t.Context(), late, nil); !errors.Is(err, status.DataLoss) || status.Retryable(err) {
			t.Error("a copy of what was forgotten:", err)
		}
		if n := far.Once(); runs.Load() != 1 || n.Unknown != 1 {
			t.Errorf("%d runs, %+v", runs.Load(), n)
		}
	})
}

// Failures are remembered like answers: a handler's own, a panic, and none at all. One that
// answers behind the table's back cannot be repeated, and says so.
func TestOnceFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Second) }) // the Keeper goes home
		ch, far := oncePair(t)
		var runs atomic.Int64
		offer(t, far, "fails", func(c *session.Call) { runs.Add(1); c.Fail(status.Errorf(status.NotFound, "not here")) })
		offer(t, far, "panics", func(*session.Call) { runs.Add(1); panic("on purpose") })
		offer(t, far, "silent", func(*session.Call) { runs.Add(1) })
		offer(t, far, "detaches", func(c *session.Call) {
			runs.Add(1)
			if c.Detach(nobody{}) {
				c.Session().Answer(c.ID, session.Message{Payload: []byte("behind")})
			}
		})
		for n, m := range []struct {
			name   string
			first  error
			second status.Code
		}{{"fails", status.NotFound, status.NotFound}, {"panics", status.Internal, status.Internal}, {"silent", status.Internal, status.Internal}, {"detaches", nil, status.DataLoss}} {
			runs.Store(0)
			for attempt, want := range []error{m.first, m.second} {
				_, err := ch.Method(m.name).Call(t.Context(), numberedCall(uint64(n+1), uint32(attempt)), nil)
				if want == nil && err != nil || want != nil && !errors.Is(err, want) {
					t.Errorf("%s, attempt %d: %v, want %v", m.name, attempt, err, want)
				}
			}
			if runs.Load() != 1 {
				t.Errorf("%s ran %d times", m.name, runs.Load())
			}
		}
	})
}

type nobody struct{}

func (nobody) Cancelled(*status.Error) {}

// A table that is closed ends what it executes, for the first copy and for those that wait.
func TestOnceAndTheEndOfTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Second) }) // the Keeper goes home
		ch, far := oncePair(t)
		offer(t, far, "job", func(c *session.Call) {
			<-c.Context().Done()
			c.Fail(c.Context().Err())
		})
		results := make(chan error, 2)
		for n := range 2 {
			go func() {
				_, err := ch.Method("job").Call(t.Context(), numberedCall(1, uint32(n)), nil)
				results <- err
			}()
			synctest.Wait()
		}
		far.Close()
		for range 2 {
			if err := <-results; err == nil {
				t.Error("answered well")
			}
		}
	})
}

// Long answers are not all kept: bytes are bounded for each sender, and a copy of what was
// pushed out is refused rather than executed again.
func TestOnceBytes(t *testing.T) {
	ch, _, far := pair(t, session.Config{})
	long := strings.Repeat("x", 1<<20)
	var runs atomic.Int64
	offer(t, far, "long", func(c *session.Call) { runs.Add(1); must(t, c.Reply(session.Message{Payload: []byte(long)})) })
	const calls = 8
	for attempt := range 2 {
		refused := 0
		for seq := range calls {
			m := numberedCall(uint64(seq+1), uint32(attempt))
			m.Once.Age = uint32(attempt * 60_000)
			_, err := ch.Method("long").Call(context.Background(), m, nil)
			switch {
			case errors.Is(err, status.DataLoss):
				refused++
			case err != nil:
				t.Error(err)
			}
		}
		if n := far.Once(); runs.Load() != calls || n.KeptBytes > 4<<20 || attempt == 1 && (refused != calls-n.Kept || refused == 0) {
			t.Errorf("%d runs, %d refused, %+v", runs.Load(), refused, n)
		}
	}
}
