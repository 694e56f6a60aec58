// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

func at(d time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(d) }

func TestThrottleDoubles(t *testing.T) {
	var th Throttle
	now := at(0)
	for i, ms := range []int{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000} {
		want := time.Duration(ms) * time.Millisecond
		if got := th.Failed("uid:1", now); got != want {
			t.Fatalf("failure %d: %v, want %v", i+1, got, want)
		}
		now = now.Add(want)
	}
	if got := th.Failed("uid:2", now); got != 100*time.Millisecond {
		t.Errorf("somebody else: %v", got)
	}
	th.Succeeded("uid:1")
	th.Succeeded("uid:3")
	if wait, ok := th.Admit("uid:1", now); wait != 0 || !ok {
		t.Errorf("after a success: %v, %v", wait, ok)
	}
	if got := th.Failed("uid:1", now); got != 100*time.Millisecond {
		t.Errorf("after a success: %v", got)
	}
}

func TestThrottleForgets(t *testing.T) {
	th := Throttle{First: time.Second, Max: 8 * time.Second}
	th.Failed("a", at(0))
	if got := th.Failed("a", at(time.Minute)); got != 2*time.Second {
		t.Errorf("remembered: %v", got)
	}
	if got := th.Failed("a", at(time.Minute+2*time.Second+time.Minute+1)); got != time.Second {
		t.Errorf("forgotten: %v", got)
	}
}

func TestThrottleClockSetBack(t *testing.T) {
	var th Throttle
	th.Failed("a", at(24*time.Hour))
	th.Admit("a", at(0))
	if wait, ok := th.Admit("a", at(10*time.Second)); wait != 0 || !ok {
		t.Errorf("locked out: %v, %v", wait, ok)
	}
}

func TestThrottleQueues(t *testing.T) {
	th := Throttle{First: time.Second, Max: 3 * time.Second}
	th.Failed("a", at(0))
	for i := range 3 {
		if wait, ok := th.Admit("a", at(0)); !ok || wait != time.Duration(i+1)*time.Second {
			t.Fatalf("attempt %d: %v, %v", i, wait, ok)
		}
	}
	if _, ok := th.Admit("a", at(0)); ok {
		t.Error("the queue has no end")
	}
	if wait, ok := th.Admit("a", at(time.Second)); !ok || wait != 3*time.Second {
		t.Errorf("a second later: %v, %v", wait, ok)
	}
}

// TestThrottleGuessing is fault case 38: 10,000 guesses by 100 connections that do not
// wait for the answer, beside an honest neighbour.
func TestThrottleGuessing(t *testing.T) {
	var th Throttle
	var now time.Duration
	th.Failed("guesser", at(now))
	examined := 0
	for range 100 {
		for range 100 {
			if wait, ok := th.Admit("guesser", at(now)); ok {
				examined++
				th.Failed("guesser", at(now+wait))
			}
			if wait, ok := th.Admit("honest", at(now)); wait != 0 || !ok {
				t.Fatal("the neighbour has to wait")
			}
		}
		now += 100 * time.Millisecond
	}
	if examined > 10 {
		t.Errorf("%d guesses were looked at in %v", examined, now)
	}
}

func TestThrottleBounded(t *testing.T) {
	th := Throttle{Size: 3}
	for i := range 10 {
		th.Failed("a", at(0))
		th.Failed(fmt.Sprint(i), at(0))
	}
	if len(th.table) != 3 || th.recent.Len() != 3 {
		t.Fatalf("%d entries, %d in order", len(th.table), th.recent.Len())
	}
	if got := th.Failed("a", at(0)); got != 5*time.Second {
		t.Errorf("the busiest was thrown out: %v", got)
	}
	for i := range 2000 {
		th.Admit(fmt.Sprint("new", i), at(0))
	}
	if len(th.table) != 3 {
		t.Error("Admit fills the table")
	}
}

func TestThrottleConcurrent(t *testing.T) {
	th := Throttle{Size: 2}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 200 {
				who := fmt.Sprint((i + j) % 3)
				th.Admit(who, at(0))
				th.Failed(who, at(0))
				if j%7 == 0 {
					th.Succeeded(who)
				}
			}
		})
	}
	wg.Wait()
}
