// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "role=") {
		main()
		return
	}
	leak.Main(m)
}

// One of twenty subscribers is stopped: the others get everything in order, and it is told
// exactly what it has missed. The long form is the program: its figures are times, which a
// test does not judge.
func TestStopped(t *testing.T) {
	for _, policy := range []string{operation.DropOldest, operation.DropNewest, operation.Block} {
		t.Run(policy, func(t *testing.T) {
			r, err := measure(settings{
				Subscribers: 20, Processes: 3, Bytes: 20_000, Every: 5 * time.Millisecond, Baseline: 50, Stopped: 300, Policy: policy, Queue: 30,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.check(); err != nil {
				t.Fatal(err)
			}
			if r.Victim.Dropped == 0 {
				t.Fatalf("the one that was stopped has missed nothing: %+v", r.Status)
			}
			for i := range r.Others {
				if r.Others[i].Dropped > 0 {
					t.Logf("subscriber %d was slow: %d were dropped", i, r.Others[i].Dropped) // a machine that is busy
				}
			}
		})
	}
}
