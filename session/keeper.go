// SPDX-License-Identifier: Apache-2.0

package session

import (
	"runtime"
	"sync"
	"time"
)

// tick is how often a Keeper looks while there is anything to look after. As long as all
// is steady it looks less often, up to maxTick: each look wakes a thread, which on few
// cores costs a lone caller more than the look itself. Where one call follows the other, so
// that a slow handler keeps nobody waiting but its own caller, it is up to calmTick with one
// or two processors: there each nap has the runtime's monitor take the napping goroutine's
// processor away and look again every 20 µs for a millisecond (sysmon, retake), which doubles
// what a call costs.
const (
	tick     = time.Millisecond
	maxTick  = 4 * time.Millisecond
	calmTick = 16 * time.Millisecond
)

// Keeper looks after sessions whose receiver role is with somebody who should not keep it
// for long: a handler that runs on the reading goroutine, a caller that reads its own
// reply, or nobody. It takes the role away after about a millisecond, as Go's scheduler
// retakes a P from a goroutine in a system call. Its one goroutine runs only while a
// session is in such a state, so an idle process pays nothing. It also has the one timer of
// the process for heartbeats and for the time limits of sessions, see agenda. The zero value
// is ready and safe for concurrent use.
type Keeper struct {
	nap func(time.Duration) // instead of a timer

	// waiters are used again after their final frame; nothing refers to them any more then.
	// They are here because their channels must not leave a synctest bubble.
	waiters sync.Pool

	slow agenda // what is due in seconds rather than milliseconds

	mu      sync.Mutex
	wards   []*Session
	running bool
}

// processKeeper serves all sessions that name no other: one goroutine for the process
// instead of one timer per session is the point of a Keeper.
var processKeeper = Keeper{nap: nap}

func (k *Keeper) waiter() *waiter {
	if w, ok := k.waiters.Get().(*waiter); ok {
		return w
	}
	return &waiter{ch: make(chan struct{}, 1)}
}

// watch puts s into the Keeper's care. The caller has set s.watched.
func (k *Keeper) watch(s *Session) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wards = append(k.wards, s)
	if !k.running {
		k.running = true
		go k.run()
	}
}

func (k *Keeper) run() {
	var batch []*Session
	sleep := k.nap
	if sleep == nil {
		sleep = time.Sleep
	}
	pause := tick
	for {
		sleep(pause)
		var ok bool
		if batch, ok = k.collect(batch[:0]); !ok {
			return
		}
		pause = k.inspect(batch, pause)
	}
}

// inspect looks at all wards and returns how long to nap then.
func (k *Keeper) inspect(batch []*Session, pause time.Duration) time.Duration {
	longest := maxTick
	if runtime.GOMAXPROCS(0) <= 2 {
		longest = calmTick
	}
	for _, s := range batch {
		switch s.inspect() {
		case forget:
			k.drop(s)
		case look:
			longest = tick
		case steady:
			longest = min(longest, maxTick)
		case calm:
		}
	}
	return min(2*pause, longest)
}

// collect copies the wards; false means that there are none and the goroutine ends.
func (k *Keeper) collect(batch []*Session) ([]*Session, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.wards) == 0 {
		k.running = false
		return nil, false
	}
	return append(batch, k.wards...), true
}

// drop ends the care for s, unless it needs it again by now.
func (k *Keeper) drop(s *Session) {
	s.watched.Store(false)
	if s.needsKeeper() && s.watched.CompareAndSwap(false, true) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, w := range k.wards {
		if w == s {
			last := len(k.wards) - 1
			k.wards[i], k.wards[last] = k.wards[last], nil
			k.wards = k.wards[:last]
			return
		}
	}
}
