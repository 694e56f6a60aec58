// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/status"
)

// Of many who come at the same time one gets the place.
func TestOnePeerOfManyAtOnce(t *testing.T) {
	for range 20 {
		srv, dial, _ := start(t, server.Config{One: true})
		var in atomic.Int32
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				_, err := dial("")
				switch {
				case err == nil:
					in.Add(1)
				case !errors.Is(err, status.Busy):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := in.Load(); n != 1 {
			t.Fatalf("%d peers were let in", n)
		}
		srv.Close()
	}
}

// Who closes its session and comes again finds its place free, and so does the next.
func TestOnePeerAgain(t *testing.T) {
	_, dial, _ := start(t, server.Config{One: true})
	for range 50 {
		for _, id := range []string{"a", ""} {
			s, err := dial(id)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
	}
}
