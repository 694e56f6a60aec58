// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/seal"
)

// An idempotent call that is sealed takes effect once as others do when the connection is cut: its
// provider knows the second copy by its number, before it would be refused as a replay.
func TestSealedOnce(t *testing.T) {
	ring := seal.NewRing()
	ids := make(map[string]*seal.Identity)
	for _, name := range []string{"ann", "bob"} {
		id, err := seal.Generate(seal.X25519)
		must(t, err)
		must(t, ring.Add(name, id.Public()))
		ids[name] = id
	}
	with := func(self, to string) plexus.Option {
		c, err := seal.New(seal.Config{Self: ids[self], Ring: ring, Name: "job", To: []string{to}})
		must(t, err)
		return plexus.WithCodec(c)
	}
	srv, err := plexus.Listen(path(t), nil)
	must(t, err)
	defer srv.Close()
	job, began, goOn, runs := slowly()
	_, err = plexus.Handle(srv, "job", job, with("bob", "ann"))
	must(t, err)
	var told states
	c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], told.options())
	must(t, err)
	defer c.Close()
	got := make(chan string, 1)
	go func() {
		s, err := plexus.Call[string](t.Context(), c, "job", 7, with("ann", "bob"), plexus.WithIdempotent())
		if err != nil {
			t.Error(err)
		}
		got <- s
	}()
	<-began
	told.await(t, client.Connected)
	cutPeer(srv)
	told.await(t, client.Connected)
	close(goOn)
	if s := <-got; s != "7 in run 1" || runs.Load() != 1 {
		t.Errorf("%q after %d runs", s, runs.Load())
	}
}
