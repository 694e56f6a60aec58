// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/subject"
)

const sendHelp = `Send an event: a one-way message, at most once, without an answer. It goes to the member
that provides the name, to the member that --to names, or to the direct peer.

  plexus send jobs/refresh '{"all":true}'
  plexus send --to m-k3x9ab chat/note '"hi"'
  plexus send --member m-k3x9ab note '"hi"'   # to any session, in no channel

What --member sends comes from the hub, on its own channel (plexus subscribe --events
'$/note'), and is for administrators: the user that the hub runs as, and who is listed with
"plexus serve --admin".

The exit code is 0 when the hub has taken it. Nobody there is an error.`

func (a *app) send() *cobra.Command {
	var flags valueFlags
	var to, member string
	cmd := &cobra.Command{
		Use: "send [channel/]name [json]", Short: "Send a one-way message to one member", Long: sendHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeMethods,
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "the id of the member to send to, if not whoever provides the name")
	cmd.Flags().StringVar(&member, "member", "", "the id of a session to write to, whatever channels it is in")
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
		if member != "" {
			return a.tell(ctx, args, &flags, to, member)
		}
		return a.emit(ctx, args, &flags, func(ctx context.Context, ch *plexus.Channel, name string, v value, opts []plexus.Option) error {
			if to != "" {
				ch = ch.At(to)
			}
			return plexus.Send(ctx, ch, name, v, opts...)
		})
	})
	return cmd
}

// tell has the hub write to a session.
func (a *app) tell(ctx context.Context, args []string, flags *valueFlags, to, member string) error {
	if to != "" || flags.raw || len(flags.headers) > 0 {
		return usagef("--member sends JSON without headers, and is instead of --to")
	}
	if err := subject.ValidateMethod(args[0]); err != nil {
		return usage(err)
	}
	v, err := a.argument(args, 1, false)
	if err != nil {
		return err
	}
	return a.at(ctx, "", func(_ *plexus.Client, ch *plexus.Channel) error {
		return ch.Operate(ctx, operation.Tell, operation.Message{Member: member, Name: args[0], Payload: v}, nil)
	})
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
