// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/session"
)

const streamHelp = `Call a method that answers with a stream and print the items, one in a line.

  plexus stream index/lines '{"text":"TODO"}'
  plexus stream feed/ticks --count 10
  plexus stream files/read --raw '"big.iso"' > big.iso

You set the pace: what stdout does not take is not produced, but for a window. The method
is told to stop when --count is reached or you interrupt.`

func (a *app) stream() *cobra.Command {
	var flags valueFlags
	var key keyFlag
	var count int
	cmd := &cobra.Command{
		Use: "stream [channel/]method [json]", Short: "Call a method and print the stream that it answers with", Long: streamHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeMethods,
	}
	flags.add(cmd.Flags())
	key.add(cmd.Flags())
	flags.addCheck(cmd.Flags())
	cmd.Flags().IntVarP(&count, "count", "n", 0, "stop after so many items, 0 for all")
	cmd.RunE = a.verb(0, func(ctx context.Context, args []string) error {
		channel, method, err := splitName(args[0])
		if err != nil {
			return err
		}
		in, err := a.argument(args, 1, flags.raw)
		if err != nil {
			return err
		}
		opts, err := flags.options()
		if err != nil {
			return err
		}
		opts = key.options(opts)
		return a.at(ctx, channel, func(_ *plexus.Client, ch *plexus.Channel) error {
			if err := flags.fit(ctx, ch, method, session.ServerStream, in); err != nil {
				return err
			}
			out, n := a.formatter(), 0
			for item, err := range plexus.Stream[value](ctx, ch, method, in, opts...) {
				if err != nil {
					return err
				}
				if err := out.value(item, flags.raw); err != nil {
					return err
				}
				if n++; n == count {
					break
				}
			}
			return nil
		})
	})
	return cmd
}
