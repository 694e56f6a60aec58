// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
)

// Calls are spread over two sessions with one server.
func Example_pool() {
	ctx := context.Background()
	srv, err := plexus.Listen("mem://example-pool", nil)
	fatal(err)
	defer srv.Close()
	_, err = plexus.Handle(srv, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	fatal(err)

	pool := client.NewPool(client.PoolConfig{
		Dial:    func(ctx context.Context) (*plexus.Client, error) { return plexus.Dial(ctx, "mem://example-pool", nil) },
		MaxOpen: 2,
		Calls:   1, // the second is opened when the first is busy
	})
	defer pool.Close()
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 100 {
				out, err := plexus.Call[int](ctx, pool, "double", n)
				fatal(err)
				if out != 2*n {
					fmt.Println("wrong:", out)
				}
			}
		})
	}
	wg.Wait()
	st := pool.Stats()
	fmt.Println("two sessions at most:", st.Open <= 2, "calls under way:", st.Calls)
	// Output: two sessions at most: true calls under way: 0
}
