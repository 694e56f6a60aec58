// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

const stopHelp = `End a hub, and return when it has closed this connection: new members and calls are
refused, what is under way may end. The hub must have been started with --allow-stop; else
send it SIGTERM.`

func (a *app) stop() *cobra.Command {
	var drain time.Duration
	cmd := &cobra.Command{
		Use: "stop", Short: "End a hub", Long: stopHelp, Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().DurationVar(&drain, "drain", 0, "how long what is under way may take (default: the hub's --drain-timeout)")
	cmd.RunE = a.verb(time.Minute, func(ctx context.Context, _ []string) error {
		return a.at(ctx, "", func(c *plexus.Client, ch *plexus.Channel) error {
			err := ch.Operate(ctx, operation.Stop, operation.StopRequest{Drain: drain.Seconds()}, nil)
			if err != nil && !errors.Is(err, status.PeerGone) {
				return err
			}
			select {
			case <-c.Done():
				return nil
			case <-ctx.Done():
				return status.Convert(ctx.Err())
			}
		})
	})
	return cmd
}
