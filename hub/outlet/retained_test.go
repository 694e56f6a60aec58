// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"encoding/binary"
	"testing"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
)

// What is replayed takes no place in the queue of what comes meanwhile; and once it has left, the
// queue has its bounds again.
func TestReplayTakesNoPlace(t *testing.T) {
	for _, policy := range []string{operation.DropOldest, operation.DropNewest, operation.Disconnect} {
		for _, bytes := range []int{1 << 20, 3 * (100 + entryCost)} { // three fit by their number, or by their bytes
			limit := 3
			if bytes < 1<<20 {
				limit = 100
			}
			r, tally := &receiver{fail: map[int]error{}}, new(deadletter.Tally)
			o := New(Config{To: r, Tally: tally, Limit: limit, Bytes: bytes, Policy: policy, Gapped: gapped, Account: &Account{}})
			for n := 1; n <= 3; n++ {
				payload := make([]byte, 100)
				binary.LittleEndian.PutUint32(payload, uint32(n))
				p := Of(session.Message{Payload: payload})
				kept := p.Retain(nil)
				o.Replay(kept, nil)
				kept.Release()
			}
			for n := 4; n <= 6; n++ {
				if v := pushOne(o, n, 100); v != Queued {
					t.Fatal(policy, n, v)
				}
			}
			r.room = 1
			o.Start(session.Message{Payload: make([]byte, 4)}) // 0: the first
			r.room = 100
			o.Pump()
			want(t, r, 0, 1, 2, 3, 4, 5, 6)
			r.got, r.room = nil, 0
			for n := 1; n <= 3; n++ {
				if v := pushOne(o, n, 100); v != Queued {
					t.Fatal(policy, n, v)
				}
			}
			v := pushOne(o, 4, 100)
			if (v == Overflown) != (policy == operation.Disconnect) {
				t.Fatal(policy, v)
			}
			r.room = 100
			o.Pump()
			switch policy {
			case operation.DropOldest:
				want(t, r, -1, 2, 3, 4)
			case operation.DropNewest:
				want(t, r, 1, 2, 3, -1)
			default:
				want(t, r, 1, 2, 3)
			}
			balance(t, tally)
		}
	}
}
