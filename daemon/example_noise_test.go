// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"fmt"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/noise"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// Two programs that have each other's public keys talk over a network that nobody needs to
// trust.
func Example_noise() {
	server, client := noise.GeneratePrivateKey(), noise.GeneratePrivateKey() // once, into files

	listening, err := noise.New(socket.TCP(), noise.Config{Private: server, Admit: noise.Only(client.Public())})
	if err != nil {
		fmt.Println(err)
		return
	}
	here := transport.NewSet(listening)
	srv, err := plexus.Listen("noise+tcp://127.0.0.1:0", &plexus.ListenOptions{Transports: &here})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	_, _ = plexus.Handle(srv, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

	dialling, err := noise.New(socket.TCP(), noise.Config{Private: client, Server: server.Public()})
	if err != nil {
		fmt.Println(err)
		return
	}
	there := transport.NewSet(dialling)
	c, err := plexus.Dial(context.Background(), srv.Endpoints()[0], &plexus.DialOptions{Transports: &there})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	n, err := plexus.Call[int](context.Background(), c, "double", 21)
	fmt.Println(n, err)
	// Output: 42 <nil>
}
