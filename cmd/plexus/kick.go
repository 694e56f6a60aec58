// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/subject"
)

const kickHelp = `Remove a member from the hub: its session ends, and it is told why. With --channel it is
removed from that channel only, with what it offers and subscribes to there.

  plexus kick m-k3x9ab --reason "too loud"
  plexus kick m-k3x9ab --channel chat

"plexus members" lists the ids. You may if you are the user that the hub runs as, or an
administrator of it (plexus serve --admin); from a channel its owner may, too. Nothing keeps
a member from coming back.`

func (a *app) kick() *cobra.Command {
	var out operation.Eviction
	cmd := &cobra.Command{
		Use: "kick member", Short: "Remove a member from the hub, or from a channel", Long: kickHelp,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeMembers,
	}
	cmd.Flags().StringVar(&out.Channel, "channel", "", "remove it from this channel only")
	cmd.Flags().StringVar(&out.Reason, "reason", "", "what it is told")
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
		out.Member = args[0]
		if out.Channel != "" {
			if err := subject.ValidateChannel(out.Channel); err != nil {
				return usage(err)
			}
		}
		return a.at(ctx, "", func(_ *plexus.Client, ch *plexus.Channel) error {
			return ch.Operate(ctx, operation.Kick, out, nil)
		})
	})
	return cmd
}

// completeMembers completes the id of a session.
func (a *app) completeMembers(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.ask(cmd, func(ctx context.Context, ch *plexus.Channel) []string {
		list, _ := ch.Members(ctx)
		var ids []string
		for i := range list {
			ids = append(ids, list[i].ID)
		}
		return ids
	}), cobra.ShellCompDirectiveNoFileComp
}
