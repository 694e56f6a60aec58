// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/status"
)

// A channel with a password: its first member brings it, and all who use it have to know it.
func ExampleChannel_password() {
	srv, err := plexus.Listen("mem://example-password", &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	fatal(err)
	defer srv.Close()
	ctx := context.Background()

	provider, err := plexus.Dial(ctx, "mem://example-password", nil)
	fatal(err)
	defer provider.Close()
	vault := provider.Channel("vault").WithPassword("correct horse") // nothing is sent yet
	_, err = plexus.Handle(vault, "open", func(_ context.Context, name string) (string, error) { return "gold, " + name, nil })
	fatal(err)

	c, err := plexus.Dial(ctx, "mem://example-password", nil)
	fatal(err)
	defer c.Close()
	_, err = plexus.Call[string](ctx, c.Channel("vault"), "open", "Ann")
	fmt.Println(status.CodeOf(err))
	_, err = plexus.Call[string](ctx, c.Channel("vault").WithPassword("guess"), "open", "Ann")
	fmt.Println(status.CodeOf(err))
	fmt.Println(plexus.Call[string](ctx, c.Channel("vault").WithPassword("correct horse"), "open", "Ann"))

	fatal(vault.SetPassword(ctx, "battery staple")) // the owner: all others have to give the new one
	_, err = plexus.Call[string](ctx, c.Channel("vault"), "open", "Ann")
	fmt.Println(status.CodeOf(err))
	fatal(c.Channel("vault").Unlock(ctx, "battery staple"))
	fmt.Println(plexus.Call[string](ctx, c.Channel("vault"), "open", "Bob"))
	// Output:
	// locked
	// unauthenticated
	// gold, Ann <nil>
	// locked
	// gold, Bob <nil>
}
