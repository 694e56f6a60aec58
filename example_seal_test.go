// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/seal"
)

// Two members talk through a hub that cannot read what they say, nor change it unnoticed.
func ExampleWithCodec_sealed() {
	ann, _ := seal.Generate(seal.X25519) // once; its Text goes into a file
	bob, _ := seal.Generate(seal.X25519)
	ring := seal.NewRing() // the public keys, which each side must have from somewhere it trusts
	_ = ring.Add("ann", ann.Public())
	_ = ring.Add("bob", bob.Public())

	srv, err := plexus.Listen("mem://example-seal", nil) // a hub is the same
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	answers, err := seal.New(seal.Config{Self: bob, Ring: ring, Name: "greet"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = plexus.Handle(srv, "greet", func(_ context.Context, in seal.Signed[string]) (string, error) {
		return in.Value + ", " + in.Sender, nil
	}, plexus.WithCodec(answers))

	c, err := plexus.Dial(context.Background(), "mem://example-seal", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	asks, err := seal.New(seal.Config{Self: ann, Ring: ring, Name: "greet", To: []string{"bob"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := plexus.Call[seal.Signed[string]](context.Background(), c, "greet", "hello", plexus.WithCodec(asks))
	fmt.Println(out.Value, "/ signed by", out.Sender, err)
	// Output: hello, ann / signed by bob <nil>
}
