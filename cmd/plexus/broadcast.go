// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
)

const broadcastHelp = `Send an event to all members of a channel, or to the direct peer.

  plexus broadcast chat/closing '{"minutes":5}'

"plexus subscribe --events" prints what comes.`

func (a *app) broadcast() *cobra.Command {
	var flags valueFlags
	cmd := &cobra.Command{
		Use: "broadcast [channel/]name [json]", Short: "Send a one-way message to all members of a channel", Long: broadcastHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeChannels,
	}
	flags.add(cmd.Flags())
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
		return a.emit(ctx, args, &flags, func(ctx context.Context, ch *plexus.Channel, name string, v value, opts []plexus.Option) error {
			return plexus.Broadcast(ctx, ch, name, v, opts...)
		})
	})
	return cmd
}
