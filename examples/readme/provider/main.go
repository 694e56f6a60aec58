// SPDX-License-Identifier: Apache-2.0

// Command provider offers a method in a channel of the hub that "plexus serve" is.
package main

import "context"
import "github.com/plexus-ipc/plexus"

func main() {
	c, err := plexus.Dial(context.Background(), "plexus", nil)
	if err == nil {
		_, err = plexus.Handle(c.Channel("demo"), "greet", func(_ context.Context, name string) (string, error) { return "hello, " + name, nil })
	}
	if err != nil {
		panic(err)
	}
	<-c.Done() // until the hub ends
}
