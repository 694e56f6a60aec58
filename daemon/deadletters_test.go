// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// A daemon has its file from New to the end of Run, and the next one finds what it has kept.
func TestDeadLetters(t *testing.T) {
	dir := t.TempDir()
	cfg := daemon.Config{
		Listen:      []string{"unix://" + filepath.Join(dir, "hub")},
		DeadLetters: daemon.DeadLetters{Path: filepath.Join(dir, "letters"), Rules: []string{"orders/>"}},
	}
	for round := range 2 {
		d, err := daemon.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := daemon.New(cfg); !errors.Is(err, status.AlreadyExists) {
			t.Fatalf("a second one: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error, 1)
		go func() { over <- d.Run(ctx) }()
		<-d.Ready()
		c, err := plexus.Dial(ctx, cfg.Listen[0], nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plexus.Declare(c.Channel("orders"), "new"); err != nil {
			t.Fatal(err)
		}
		var r operation.Receipt
		if err := plexus.Publish(ctx, c.Channel("orders"), "new", round, service.WithReceipt(&r)); err != nil || r.DeadLettered != 1 {
			t.Fatal(r, err)
		}
		list, err := c.Channel("").DeadLetters(ctx, operation.DeadLetterQuery{})
		if err != nil || len(list.Letters) != round+1 || list.Stats.Records != round+1 {
			t.Fatalf("%+v, %v", list, err)
		}
		c.Close()
		cancel()
		if err := <-over; err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []daemon.DeadLetters{{Path: dir}, {Rules: []string{"orders/>"}}, {Path: dir, Rules: []string{"orders"}}} {
		if _, err := daemon.New(daemon.Config{DeadLetters: bad}); !errors.Is(err, status.InvalidArgument) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
