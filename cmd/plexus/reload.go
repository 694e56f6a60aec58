// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/operation"
)

const reloadHelp = `Have a hub read anew what can change while it runs, such as its access list, as SIGHUP has
it, and return when that is in force. What is wrong is told here and in the hub's log, and the
old one stays.

You may if you are the user that the hub runs as, or an administrator of it.`

func (a *app) reload() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reload", Short: "Have a hub read its access list anew", Long: reloadHelp, Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = a.verb(time.Minute, func(ctx context.Context, _ []string) error {
		return a.at(ctx, "", func(_ *plexus.Client, ch *plexus.Channel) error {
			return ch.Operate(ctx, operation.Reload, operation.Empty{}, nil)
		})
	})
	return cmd
}

// reloadOnHangup has SIGHUP reload d, if d has something to reload; else the signal does what it
// always does. The function that it returns ends that and waits.
func reloadOnHangup(ctx context.Context, d *daemon.Daemon) (stop func()) {
	if len(d.Reloads()) == 0 {
		return func() {}
	}
	hangup, over, done := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer close(done)
		for {
			select {
			case <-over:
				return
			case <-hangup:
				_ = d.Reload(ctx) // the log has told
			}
		}
	}()
	return func() {
		signal.Stop(hangup)
		close(over)
		<-done
	}
}
