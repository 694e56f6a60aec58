// SPDX-License-Identifier: Apache-2.0

// Command consumer calls a method that another member of the hub provides.
package main

import "context"
import "fmt"
import "github.com/plexus-ipc/plexus"

func main() {
	ctx := context.Background()
	c, err := plexus.Dial(ctx, "plexus", nil)
	if err != nil {
		panic(err)
	}
	fmt.Println(plexus.Call[string](ctx, c.Channel("demo"), "greet", "world"))
}
