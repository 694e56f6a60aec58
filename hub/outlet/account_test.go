// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
)

func pushOne(o *Outlet, n, size int) Verdict {
	payload := make([]byte, max(size, 4))
	binary.LittleEndian.PutUint32(payload, uint32(n))
	p := Of(session.Message{Payload: payload})
	defer p.Done()
	v, _ := o.Push(&p, nil)
	return v
}

// What waits in several outlets is bounded together, and counted as long as it waits.
func TestAccount(t *testing.T) {
	const each = 100 + entryCost
	user := &Account{}
	a := &Account{Limit: 3 * each, Within: user}
	var outlets []*Outlet
	var receivers []*receiver
	tally := new(deadletter.Tally)
	for _, policy := range []string{operation.DropOldest, operation.DropNewest, operation.Disconnect} {
		r := &receiver{}
		receivers = append(receivers, r)
		outlets = append(outlets, New(Config{To: r, Tally: tally, Limit: 100, Bytes: 1 << 20, Policy: policy, Gapped: gapped, Ready: true, Account: a}))
	}
	for n := range 3 {
		if v := pushOne(outlets[0], n+1, 100); v != Queued {
			t.Fatal(v)
		}
	}
	if a.Used() != 3*each || user.Used() != 3*each {
		t.Fatal(a.Used(), user.Used())
	}
	pushOne(outlets[0], 4, 100) // the oldest goes
	pushOne(outlets[1], 1, 100) // has no place
	if v := pushOne(outlets[2], 1, 100); v != Overflown {
		t.Fatal(v)
	}
	if a.Used() != 3*each {
		t.Fatal(a.Used())
	}
	balance(t, tally)
	for i, r := range receivers {
		r.room = 100
		outlets[i].Pump()
	}
	want(t, receivers[0], -1, 2, 3, 4)
	want(t, receivers[1], -1)
	if a.Used() != 0 || user.Used() != 0 {
		t.Fatal(a.Used(), user.Used())
	}
	receivers[1].room = 0
	pushOne(outlets[1], 2, 10_000) // one may be longer than all that may wait
	if a.Used() != 10_000+entryCost {
		t.Fatal(a.Used())
	}
	outlets[1].Close()
	if a.Used() != 0 || (*Account)(nil).Used() != 0 {
		t.Fatal(a.Used())
	}
	balance(t, tally)
}

// Whatever happens, an account counts what waits.
func TestAccountCountsWhatWaits(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		user := &Account{Limit: 6000}
		a := &Account{Limit: 4000, Within: user}
		b := &Account{Within: user}
		tally := new(deadletter.Tally)
		var outlets []*Outlet
		var receivers []*receiver
		for i := range 4 {
			r := &receiver{fail: map[int]error{}}
			receivers = append(receivers, r)
			policy := []string{operation.DropOldest, operation.DropNewest, operation.Disconnect}[rnd.IntN(3)]
			outlets = append(outlets, New(Config{
				To: r, Tally: tally, Limit: 1 + rnd.IntN(20), Bytes: 200 + rnd.IntN(4000), Policy: policy, Gapped: gapped, Ready: true,
				Account: []*Account{a, b}[i/2],
			}))
		}
		for n := range 60 {
			i := rnd.IntN(len(outlets))
			o, r := outlets[i], receivers[i]
			switch rnd.IntN(12) {
			case 0:
				r.room += rnd.IntN(8)
				o.Pump()
			case 1:
				if n > 40 {
					o.Close()
				}
			case 2, 3, 4:
				push(o, runOf(t, 1, 1+rnd.IntN(12), 8+rnd.IntN(200)))
			default:
				pushOne(o, n, rnd.IntN(1500))
			}
			sum := [2]int{}
			for i, o := range outlets {
				sum[i/2] += o.queue.Size()
			}
			if a.Used() != sum[0] || b.Used() != sum[1] || user.Used() != sum[0]+sum[1] {
				t.Fatalf("%d, %d and %d are counted, %v wait", a.Used(), b.Used(), user.Used(), sum)
			}
			balance(t, tally)
		}
	}
}
