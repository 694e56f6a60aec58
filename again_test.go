// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/status"
)

// A program that closes its client and dials again gets the id that it had; one that lives
// keeps its id.
func TestTheSameIDAgain(t *testing.T) {
	for _, scheme := range []string{"unix", "tcp", "shm", "mem"} {
		for name, o := range map[string]*plexus.ListenOptions{"direct": {}, "hub": {Hub: hub.New(hub.Config{})}} {
			t.Run(scheme+"-"+name, func(t *testing.T) {
				address := strings.Replace(path(t), "unix", scheme, 1)
				switch scheme {
				case "tcp":
					address = "tcp://127.0.0.1:0"
				case "mem":
					address = "mem://again-" + name
				}
				srv, err := plexus.Listen(address, o)
				must(t, err)
				defer srv.Close()
				for range 50 {
					c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{ID: "worker-1"})
					must(t, err)
					if c.ID() != "worker-1" {
						t.Fatal(c.ID())
					}
					must(t, c.Close())
				}
				c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{ID: "worker-1"})
				must(t, err)
				defer c.Close()
				if _, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{ID: "worker-1"}); !errors.Is(err, status.AlreadyExists) {
					t.Fatal(err)
				}
			})
		}
	}
}
