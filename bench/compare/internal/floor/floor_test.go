// SPDX-License-Identifier: Apache-2.0

package floor

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// The floor has no end of its own, its process has: so there is no leak check here.

// TestFloor lets every transport echo, from one caller and from many, small and large.
func TestFloor(t *testing.T) {
	for _, scheme := range schemes {
		if scheme == "tcp" {
			continue // as unix
		}
		for _, callers := range []int{1, 8} {
			at := scheme + "://" + folder(t) + "/s"
			if err := serve(lab.Job{At: at}); err != nil {
				t.Fatal(err)
			}
			c, err := dial(lab.Job{At: at, Callers: callers, Pattern: lab.Calls})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					for n := range 2000 {
						request := bytes.Repeat([]byte{byte(i), byte(n)}, 1+n%100)
						if n == 1000 && callers == 1 {
							request = bytes.Repeat([]byte{'x'}, 1<<20)
						}
						if got, err := c.Call(i, request); err != nil || !bytes.Equal(got, request) {
							t.Errorf("%s, caller %d, call %d: %d bytes came back, %v", scheme, i, n, len(got), err)
							return
						}
					}
				})
			}
			wg.Wait()
		}
	}
}

func TestFloorStream(t *testing.T) {
	for _, scheme := range schemes {
		if scheme == "tcp" {
			continue
		}
		at := scheme + "://" + folder(t) + "/s"
		if err := serve(lab.Job{At: at, Bytes: 64}); err != nil {
			t.Fatal(err)
		}
		c, err := dial(lab.Job{At: at, Pattern: lab.Streams, Bytes: 64})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 1000, 200_000} { // more than the ring holds
			if err := c.Stream(n); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "plexus")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Clean(dir)
}
