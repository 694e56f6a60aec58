// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/family"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/status"
)

// actor is a child, seen from inside.
type actor struct {
	*family.Actor
	task task
}

// Role plays a role until in ends. What it has to say it writes to out.
func Role(ctx context.Context, role string, in io.Reader, out io.Writer) error {
	a := new(actor)
	return family.Follow(ctx, in, out, &a.task, func(ctx context.Context, line *family.Actor) error {
		a.Actor = line
		play, ok := map[string]func(context.Context) error{
			"hub": a.hub, "index": a.index, "words": a.words, "consumer": a.consumer,
		}[role]
		if !ok {
			return status.Errorf(status.InvalidArgument, "there is no role %q", role)
		}
		return play(ctx)
	})
}

// done closes what is used no more.
func done(c io.Closer) { c.Close() }

// hub is the role of the daemon.
func (a *actor) hub(ctx context.Context) error {
	defer os.RemoveAll(a.task.Private) // if the parent was killed
	d, err := daemon.New(daemon.Config{Listen: []string{unixAt(a.task.Private, "hub"), "tcp://127.0.0.1:0"}})
	if err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() { over <- d.Run(ctx) }()
	select {
	case <-d.Ready():
		a.Say(note{Ready: true, Endpoints: d.Endpoints()})
		return <-over
	case err := <-over:
		return err
	}
}

// unixAt is the address of a socket in a folder. A path that is no address is told by
// whoever binds it.
func unixAt(folder, name string) string {
	path := filepath.Join(folder, name+".sock")
	if ep, err := endpoint.Unix(path); err == nil {
		return ep.String()
	}
	return "unix://" + path
}

// provide joins the hub and listens directly, and has offer put its methods at both.
func (a *actor) provide(ctx context.Context, name string, offer func(hub *plexus.Channel, direct *plexus.Server) (corpusDigest string, err error)) error {
	srv, err := plexus.NewServer(&plexus.ListenOptions{ID: name})
	if err != nil {
		return err
	}
	defer done(srv)
	c, err := plexus.Dial(ctx, a.task.Hub, &plexus.DialOptions{ID: name})
	if err != nil {
		return err
	}
	defer done(c)
	sum, err := offer(c.Channel(name), srv)
	if err != nil {
		return err
	}
	for _, address := range []string{unixAt(a.task.Private, name), "tcp://127.0.0.1:0"} {
		if err := srv.Bind(ctx, address); err != nil {
			return err
		}
	}
	a.Say(note{Ready: true, Endpoints: srv.Endpoints(), Digest: sum})
	select {
	case <-ctx.Done():
		return nil
	case <-c.Done():
		return c.Err()
	}
}

func (a *actor) index(ctx context.Context) error {
	return a.provide(ctx, "index", func(hub *plexus.Channel, direct *plexus.Server) (string, error) {
		return "", newIndexer(a.task.Folder, hub, direct).offer()
	})
}

func (a *actor) words(ctx context.Context) error {
	return a.provide(ctx, "words", func(hub *plexus.Channel, direct *plexus.Server) (string, error) {
		c, err := load(a.task.Folder)
		if err != nil {
			return "", err
		}
		return c.Digest, newStatistics(c).offer(hub, direct)
	})
}

// pick returns the endpoint of a transport.
func pick(endpoints []string, transport string) (string, error) {
	i := slices.IndexFunc(endpoints, func(e string) bool { return strings.HasPrefix(e, transport+":") })
	if i < 0 {
		return "", errors.New("no " + transport + " endpoint among " + strings.Join(endpoints, " "))
	}
	_, err := endpoint.Parse(endpoints[i])
	return endpoints[i], err
}
