// SPDX-License-Identifier: Apache-2.0

// Command server is the answering side of a direct call.
package main

import "context"
import "github.com/plexus-ipc/plexus"

func main() {
	srv, err := plexus.Listen("hello", nil)
	if err == nil {
		_, err = plexus.Handle(srv, "greet", func(_ context.Context, name string) (string, error) { return "hello, " + name, nil })
	}
	if err != nil {
		panic(err)
	}
	select {} // serves until it is interrupted
}
