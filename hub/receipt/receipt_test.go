// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"fmt"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
)

func TestMain(m *testing.M) { leak.Main(m) }

// sender is a receiver's name.
type sender struct{ name string }

func (*sender) Try(session.Message, *session.Route) (bool, error)       { return true, nil }
func (*sender) TryRun(session.Run, uint64, *session.Route) (int, error) { return 0, nil }

func senders(n int) (all []*sender) {
	for i := range n {
		all = append(all, &sender{fmt.Sprint("m", i)})
	}
	return all
}

func TestReceipt(t *testing.T) {
	s := senders(4)
	for _, tc := range []struct {
		what string
		do   func(r *Receipt)
		want string
	}{
		{"nobody", func(r *Receipt) { r.Seal() }, "0 0 [] []"},
		{"all", func(r *Receipt) {
			r.Expect(s[0], "a")
			r.Took(s[0])
			r.Expect(s[1], "b")
			r.Seal()
			r.Took(s[1])
		}, "2 2 [a b] []"},
		{"some", func(r *Receipt) {
			r.Expect(s[0], "a")
			r.Expect(s[1], "b")
			r.Seal()
			r.Missed(s[1], deadletter.QueueFull)
			r.Took(s[1]) // it has been said
			r.Took(s[2]) // not a receiver of this
			r.End(operation.MissDeadline)
			r.Took(s[0])
		}, "2 0 [] [{a deadline} {b queue_full}]"},
		{"end before the seal", func(r *Receipt) {
			r.Expect(s[0], "a")
			r.End("x")
			r.Expect(s[1], "b")
			r.Seal()
		}, "1 0 [] [{a x}]"},
		{"dropped", func(r *Receipt) {
			r.Expect(s[0], "a")
			if !r.Drop() || r.Drop() {
				t.Error("dropped twice")
			}
			r.Seal()
			r.Took(s[0])
		}, ""},
	} {
		got := ""
		r := New(func(out operation.Receipt) {
			if got != "" {
				t.Errorf("%s: told twice", tc.what)
			}
			got = fmt.Sprint(out.Matched, out.Delivered, out.Receivers, out.Missed)
		})
		if tc.do(r); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.what, got, tc.want)
		}
	}
}

// However many answer at a time, the result is told once and every receiver counts once.
func TestReceiptOfMany(t *testing.T) {
	const n = 2 * operation.MaxReceivers
	all := senders(n)
	told := make(chan operation.Receipt, 2)
	r := New(func(out operation.Receipt) { told <- out })
	for _, s := range all {
		r.Expect(s, s.name)
	}
	r.Seal()
	var wg sync.WaitGroup
	for k := range 4 {
		wg.Go(func() {
			for i, s := range all {
				if i%2 == k%2 && i%2 == 0 {
					r.Took(s)
				} else if i%2 == k%2 {
					r.Missed(s, deadletter.Closed)
				}
			}
		})
	}
	wg.Wait()
	out := <-told
	if len(told) != 0 || out.Matched != n || out.Delivered != n/2 || len(out.Receivers) != operation.MaxReceivers || len(out.Missed) != operation.MaxReceivers {
		t.Fatalf("%d of %d, %d and %d named", out.Delivered, out.Matched, len(out.Receivers), len(out.Missed))
	}
}
