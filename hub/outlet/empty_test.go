// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"testing"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/operation"
)

// Who wants to know when nothing waits is told at once, or when the last has been sent, once;
// and Close tells how much was never sent.
func TestWhenEmpty(t *testing.T) {
	r, tally := &receiver{fail: map[int]error{}}, new(deadletter.Tally)
	o := New(Config{To: r, Tally: tally, Limit: 100, Bytes: 1 << 20, Policy: operation.DropOldest, Gapped: gapped, Ready: true})
	told := 0
	tell := func() { told++ }
	if !o.WhenEmpty(tell) || told != 1 {
		t.Fatal(told)
	}
	for n := range 3 {
		pushOne(o, n+1, 10)
	}
	if !o.WhenEmpty(tell) || told != 1 {
		t.Fatal("told although something waits")
	}
	r.room = 2
	if o.Pump(); told != 1 {
		t.Fatal("told although something waits")
	}
	r.room = 1
	if o.Pump(); told != 2 {
		t.Fatal("not told")
	}
	if o.Pump(); told != 2 {
		t.Fatal("told twice")
	}
	for n := range 3 {
		pushOne(o, n+1, 10)
	}
	o.WhenEmpty(tell)
	if left := o.Close(); left != 3 || told != 2 {
		t.Fatal(left, told)
	}
	if o.WhenEmpty(tell) || told != 2 || o.Close() != 0 {
		t.Fatal("a closed outlet goes on")
	}
	balance(t, tally)
}
