// SPDX-License-Identifier: Apache-2.0

// Command client is the calling side of a direct call.
package main

import "context"
import "fmt"
import "github.com/plexus-ipc/plexus"

func main() {
	ctx := context.Background()
	c, err := plexus.Dial(ctx, "hello", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(plexus.Call[string](ctx, c, "greet", "world"))
}
