// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// The full run is 200: go test -run TestHubRestarts -restarts 200 -timeout 10m .
var restarts = flag.Int("restarts", 12, "how often TestHubRestarts kills the hub")

const (
	stormPublishers  = 4
	stormSubscribers = 2
	stormPace        = 4 * time.Millisecond // of each publisher: 1,000 a second together
	stormDeadline    = 2 * time.Second      // of a publication
	stormCallTime    = 20 * time.Second     // of a call
	// The hub is back for everybody within a second of its readiness; a machine that is busy
	// with other things may take longer now and then.
	stormLive = time.Second
	stormSlow = 5 * time.Second
)

// storm is a hub that is killed over and over, and those who live through it.
type storm struct {
	*testing.T
	w    *town
	stop chan struct{} // closed at the end
	wg   sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	acked   [stormPublishers]map[int][]string // by number: who has got it
	answers map[string]int                    // to publications, by code
	late    time.Duration                     // the longest after the deadline
	got     map[string]*[stormPublishers][]int
	whole   int                        // publications that were acknowledged by all
	alive   [stormPublishers]time.Time // when the last publication was acknowledged by all
	first   time.Time                  // when something was received first after dead
	dead    time.Time                  // when the hub died last
	runs    map[int]int                // of the idempotent calls, by number
	calls   int                        // that were answered
	refused map[string]int             // … with an error, by code
}

// member dials as one who comes back.
func (s *storm) member(id string) *plexus.Client {
	s.Helper()
	c, err := plexus.Dial(s.Context(), s.w.address, &plexus.DialOptions{ID: id, Reconnect: &client.Reconnect{}})
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// subscribe collects what every publisher says.
func (s *storm) subscribe(id string) {
	c := s.member(id)
	s.Cleanup(func() { c.Close() })
	sub, err := plexus.Subscribe[int](s.Context(), c.Channel("storm"), "p.*")
	if err != nil {
		s.Fatal(err)
	}
	mine := new([stormPublishers][]int)
	s.got[id] = mine
	s.wg.Go(func() {
		defer sub.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { <-s.stop; cancel() }()
		for {
			p, err := sub.Next(ctx)
			if err != nil {
				return
			}
			var k int
			_, _ = fmt.Sscanf(p.Topic, "p.%d", &k) // we have named it
			s.mu.Lock()
			mine[k] = append(mine[k], p.Value)
			if s.first.Before(s.dead) {
				s.first = time.Now()
				s.changed.Broadcast()
			}
			s.mu.Unlock()
		}
	})
}

// publish publishes one number after the other, and waits for each receipt. Publisher 0 says a
// number again until it is acknowledged; others go on.
func (s *storm) publish(k int) {
	c := s.member(fmt.Sprint("publisher-", k))
	s.Cleanup(func() { c.Close() })
	room, topic := c.Channel("storm"), fmt.Sprint("p.", k)
	if _, err := plexus.Declare(room, topic); err != nil {
		s.Fatal(err)
	}
	s.acked[k] = make(map[int][]string)
	s.wg.Go(func() {
		pace := time.NewTicker(stormPace)
		defer pace.Stop()
		for n := 1; ; {
			select {
			case <-s.stop:
				return
			case <-pace.C:
			}
			if s.say(room, k, topic, n) || k != 0 {
				n++
			}
		}
	})
}

// outcome names an error by what a program would look at.
func outcome(err error) string {
	return fmt.Sprintf("%v, safe to repeat: %v", status.CodeOf(err), status.Retryable(err))
}

// say publishes a number and reports whether all subscribers have got it.
func (s *storm) say(room *plexus.Channel, k int, topic string, n int) bool {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), stormDeadline)
	defer cancel()
	var r operation.Receipt
	err := plexus.Publish(ctx, room, topic, n, service.WithReceipt(&r))
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = max(s.late, now.Sub(began)-stormDeadline)
	if err != nil {
		s.answers[outcome(err)]++
		return false
	}
	s.acked[k][n] = append(s.acked[k][n], r.Receivers...)
	if r.Delivered < stormSubscribers {
		s.answers["not by all"]++
		return false
	}
	s.whole++
	s.alive[k] = now
	s.changed.Broadcast()
	return true
}

// count makes idempotent calls, one after the other, to a provider that counts them.
func (s *storm) count() {
	provider, caller := s.member("provider"), s.member("caller")
	s.Cleanup(func() { caller.Close(); provider.Close() })
	_, err := plexus.Handle(provider.Channel("count"), "run", func(_ context.Context, n int) (int, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.runs[n]++
		return n, nil
	})
	if err != nil {
		s.Fatal(err)
	}
	s.wg.Go(func() {
		room := caller.Channel("count")
		pace := time.NewTicker(time.Millisecond)
		defer pace.Stop()
		for n := 1; ; n++ {
			select {
			case <-s.stop:
				return
			case <-pace.C:
			}
			ctx, cancel := context.WithTimeout(context.Background(), stormCallTime)
			got, err := plexus.Call[int](ctx, room, "run", n, plexus.WithIdempotent())
			cancel()
			s.mu.Lock()
			s.calls++
			switch {
			case err == nil && (got != n || s.runs[n] != 1):
				s.Errorf("call %d was answered %d and executed %d times", n, got, s.runs[n])
			case err != nil && status.Retryable(err) && s.runs[n] > 0:
				s.Errorf("call %d: %v, which says that it is safe to repeat, and it was executed %d times", n, err, s.runs[n])
			case err != nil:
				s.refused[outcome(err)]++
			}
			s.mu.Unlock()
		}
	})
}

// live waits until everybody is back, and returns how long after since something was received
// first and everything was.
func (s *storm) live(since time.Time) (first, all time.Duration, ok bool) {
	timer := time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})
	defer timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		last := slices.MinFunc(s.alive[:], time.Time.Compare)
		if last.After(s.dead) && s.first.After(s.dead) {
			return max(s.first.Sub(since), 0), max(time.Since(since), 0), true
		}
		if time.Since(since) > patience {
			s.Errorf("not everybody is back after %v: %v, the hub died at %v", patience, s.alive, s.dead)
			return 0, 0, false
		}
		s.changed.Wait()
	}
}

// kill ends the hub in the middle of everything: after some dozens of publications more.
func (s *storm) kill() {
	s.mu.Lock()
	for until := s.whole + 50 + rand.IntN(200); s.whole < until; {
		s.changed.Wait()
	}
	s.mu.Unlock()
	s.w.hub.kill()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = time.Now()
}

// judge looks at what was acknowledged and what has come.
func (s *storm) judge() {
	acknowledged, received := 0, 0
	for id, lists := range s.got {
		for k, list := range lists {
			received += len(list)
			for i := 1; i < len(list); i++ {
				if repeats := k == 0 && list[i] == list[i-1]; list[i] <= list[i-1] && !repeats {
					s.Errorf("%s: %d of publisher %d comes after %d", id, list[i], k, list[i-1])
				}
			}
			for n, by := range s.acked[k] {
				if !slices.Contains(by, id) {
					continue
				}
				acknowledged++
				if _, here := slices.BinarySearch(list, n); !here {
					s.Errorf("%s: %d of publisher %d was acknowledged and has not come", id, n, k)
				}
			}
		}
	}
	s.Logf("publications: %d acknowledged by all, %v; %d receipts of one subscriber, %d received; latest answer %v after its deadline", s.whole, s.answers, acknowledged, received, max(s.late, 0))
	s.Logf("idempotent calls: %d, of them answered with an error: %v", s.calls, s.refused)
	if s.late > stormDeadline/4 {
		s.Errorf("an answer came %v after its deadline", s.late)
	}
	if acknowledged == 0 || s.calls == 0 {
		s.Error("nothing happened")
	}
}

// TestHubRestarts kills a hub and starts another, over and over, under a thousand acknowledged
// publications a second: none that was acknowledged is missing or out of order, each other one is
// answered in time, idempotent calls are executed once, and everybody is back soon.
func TestHubRestarts(t *testing.T) {
	s := &storm{
		T: t, w: newTown(t), stop: make(chan struct{}), answers: make(map[string]int), refused: make(map[string]int), got: make(map[string]*[stormPublishers][]int),
		runs: make(map[int]int), dead: time.Now(),
	}
	s.changed = sync.NewCond(&s.mu)
	end := sync.OnceFunc(func() { close(s.stop); s.wg.Wait() })
	t.Cleanup(end)
	for i := range stormSubscribers {
		s.subscribe(fmt.Sprint("subscriber-", i))
	}
	for k := range stormPublishers {
		s.publish(k)
	}
	s.count()
	if _, _, ok := s.live(time.Now()); !ok {
		return
	}
	var firsts, alls []time.Duration
	for range *restarts {
		s.kill()
		s.w.hub = s.w.start("^listening on ", "serve")
		first, all, ok := s.live(time.Now())
		if !ok {
			break
		}
		firsts, alls = append(firsts, first), append(alls, all)
	}
	end()
	s.judge()
	for what, took := range map[string][]time.Duration{"the first publication": firsts, "everybody": alls} {
		slices.Sort(took)
		median, p95, last := took[len(took)/2], took[len(took)*95/100], took[len(took)-1]
		t.Logf("%d restarts, %s after the hub was ready: median %v, 95 %% %v, max %v", len(took), what, median, p95, last)
		if median > stormLive || last > stormSlow {
			t.Errorf("%s: %v are allowed in the median, %v at most", what, stormLive, stormSlow)
		}
	}
}
