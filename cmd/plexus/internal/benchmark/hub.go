// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"context"
	"os"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/family"
	"github.com/plexus-ipc/plexus/hub"
)

// serveHub is the process of a hub: a server with a hub inside, nothing else. It makes
// more room for large publications than by default, so that windows keep the pace and not
// the hub's queue.
func serveHub(ctx context.Context, a *family.Actor, t *task) error {
	defer os.RemoveAll(t.Folder)
	o, err := t.listenOptions("hub")
	if err != nil {
		return err
	}
	o.Hub = hub.New(hub.Config{ID: "bench", DefaultQueueBytes: 4 * windowBytes})
	srv, err := plexus.Listen(t.Address, o)
	if err != nil {
		return err
	}
	defer srv.Close()
	a.Say(note{Address: srv.Endpoints()[0]})
	return obey(ctx, a, nil)
}
