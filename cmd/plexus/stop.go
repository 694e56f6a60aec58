// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

const stopHelp = `End a hub, and return when it has closed this connection: new members and calls are
refused, what is under way may end, and what waits for subscribers may be taken. What was
cut or not delivered in time is printed. The hub must have been started with --allow-stop; else
send it SIGTERM.`

func (a *app) stop() *cobra.Command {
	var drain time.Duration
	cmd := &cobra.Command{
		Use: "stop", Short: "End a hub", Long: stopHelp, Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().DurationVar(&drain, "drain", 0, "how long what is under way may take (default: the hub's --drain-timeout)")
	cmd.RunE = a.verb(time.Minute, func(ctx context.Context, _ []string) error {
		return a.at(ctx, "", func(c *plexus.Client, ch *plexus.Channel) error {
			var out operation.Stopped
			err := ch.Operate(ctx, operation.Stop, operation.StopRequest{Drain: drain.Seconds(), Report: true}, &out)
			if err != nil && !errors.Is(err, status.PeerGone) {
				return err
			}
			select {
			case <-c.Done():
				return a.stopped(out.Report)
			case <-ctx.Done():
				return status.Convert(ctx.Err())
			}
		})
	})
	return cmd
}

// stopLine is what "stop --output json" prints.
type stopLine struct {
	Stopped bool `json:"stopped"`
	*operation.DrainReport
}

// stopped tells how a hub has ended; nil is one that has not said it.
func (a *app) stopped(r *operation.DrainReport) error {
	return a.formatter().object(stopLine{true, r}, func(w io.Writer) {
		if r == nil {
			fmt.Fprintln(w, "stopped")
			return
		}
		fmt.Fprintf(w, "stopped: %s\n", drained(r))
	})
}
