// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/session"
)

const sendHelp = `Send an event: a one-way message, at most once, without an answer. It goes to the member
that provides the name, to the member that --to names, or to the direct peer.

  plexus send jobs/refresh '{"all":true}'
  plexus send --to m-k3x9ab chat/note '"hi"'

The exit code is 0 when the hub has taken it. Nobody there is an error.`

func (a *app) send() *cobra.Command {
	var flags valueFlags
	var to string
	cmd := &cobra.Command{
		Use: "send [channel/]name [json]", Short: "Send a one-way message to one member", Long: sendHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeMethods,
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "the id of the member to send to, if not whoever provides the name")
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
		return a.emit(ctx, args, &flags, func(ctx context.Context, ch *plexus.Channel, name string, v value, opts []plexus.Option) error {
			if to != "" {
				ch = ch.At(to)
			}
			return plexus.Send(ctx, ch, name, v, opts...)
		})
	})
	return cmd
}

// emit does what send and broadcast have in common.
func (a *app) emit(ctx context.Context, args []string, flags *valueFlags, f func(context.Context, *plexus.Channel, string, value, []plexus.Option) error) error {
	channel, name, err := splitName(args[0])
	if err != nil {
		return err
	}
	v, err := a.argument(args, 1, flags.raw)
	if err != nil {
		return err
	}
	opts, err := flags.options()
	if err != nil {
		return err
	}
	return a.at(ctx, channel, func(c *plexus.Client, ch *plexus.Channel) error {
		if err := f(ctx, ch, name, v, opts); err != nil {
			return err
		}
		return settled(ctx, c)
	})
}

// settled waits until the other side has dealt with all that was sent. What it then has
// to say, it has said.
func settled(ctx context.Context, c *plexus.Client) error {
	var s *session.Session
	s, err := c.Session(ctx)
	if err != nil {
		return err
	}
	return s.Ping(ctx)
}
