// SPDX-License-Identifier: Apache-2.0

//go:build linux

package patience

import (
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Who waits polls only where it has paid lately: one frame at a time, nobody else waiting.
func TestPatience(t *testing.T) {
	var p Patience
	for frames, want := range map[int]int{0: 0, 1: maxPolls, 2: 0, 9: 0} {
		if n := p.Polls(frames); n != want {
			t.Errorf("after %d frames %d polls, want %d", frames, n, want)
		}
	}
	crowd := true
	p.Crowd = func() bool { return crowd }
	if n := p.Polls(1); n != 0 {
		t.Errorf("%d polls although others wait", n)
	}
	crowd = false

	tried := func(waits int) (n int) {
		for range waits {
			if p.Polls(1) > 0 && p.Begin() {
				p.Done(false)
				n++
			}
		}
		return n
	}
	if n, want := tried(maxMisses+firstSkip+1+2*firstSkip+1+4*firstSkip), maxMisses+2; n != want {
		t.Errorf("polled %d times in vain, want %d", n, want)
	}
	for p.Polls(1) == 0 {
	}
	if !p.Begin() {
		t.Fatal("nobody polls, yet it may not")
	}
	p.Done(true)
	slept := 0
	for range 2 * maxStreak {
		if p.Polls(1) == 0 {
			slept++
		}
	}
	if slept != 2 {
		t.Errorf("slept %d times in %d waits, want 2: others must have their turn", slept, 2*maxStreak)
	}
	if n := polling.Load(); n != 0 {
		t.Errorf("%d count as polling", n)
	}
}

// Not more may poll than leave a processor to the rest of the process.
func TestPollingIsBounded(t *testing.T) {
	var ps []*Patience
	for range maxPolling {
		p := new(Patience)
		if !p.Begin() {
			t.Fatal("refused before the limit")
		}
		ps = append(ps, p)
	}
	if new(Patience).Begin() {
		t.Error("one more than allowed polls")
	}
	for _, p := range ps {
		p.Done(true)
	}
	if n := polling.Load(); n != 0 {
		t.Errorf("%d count as polling", n)
	}
}
