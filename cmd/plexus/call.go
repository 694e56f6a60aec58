// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/policy"
	"github.com/plexus-ipc/plexus/session"
)

const callHelp = `Call a method and print its answer: one line of JSON on stdout.

  plexus call math/add '{"a":1,"b":2}'      # a method in the channel "math" of a hub
  plexus call add '{"a":1,"b":2}'           # a method of a program that listens itself
  plexus call text/upper - < letter.json    # the value from stdin
  plexus call image/scale --raw @in.png > out.png
  plexus call '$/channels'                  # what the hub itself offers

Without a value null is sent. A value that does not fit the schema that the method
announces ("plexus schema") is not sent, unless --unchecked says so. With --retry 5 a call that
has certainly not taken effect (nobody provides the method, too much work is queued) is made up to
five times more, after random waits that grow. The exit code tells what went wrong: 1 the method failed,
3 nobody provides it, 4 the time was up; "plexus help exit-codes" lists all.`

func (a *app) call() *cobra.Command {
	var flags valueFlags
	var to string
	var key keyFlag
	var idempotent bool
	var priority uint8
	var retry uint
	cmd := &cobra.Command{
		Use: "call [channel/]method [json]", Short: "Call a method and print its answer", Long: callHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeMethods,
	}
	flags.add(cmd.Flags())
	key.add(cmd.Flags())
	flags.addCheck(cmd.Flags())
	cmd.Flags().StringVar(&to, "to", "", "the id of the member to call, if not whoever provides the method")
	cmd.Flags().BoolVar(&idempotent, "idempotent", false, "say that the call may be executed twice")
	cmd.Flags().Uint8Var(&priority, "priority", 0, "0 (normal) to 7 (most urgent)")
	cmd.Flags().UintVar(&retry, "retry", 0, "how often to try again, in the time that --timeout gives, what certainly had no effect, or anything with --idempotent")
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
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
		opts = key.options(append(opts, plexus.WithPriority(priority)))
		if idempotent {
			opts = append(opts, plexus.WithIdempotent())
		}
		return a.at(ctx, channel, func(_ *plexus.Client, ch *plexus.Channel) error {
			if to != "" {
				ch = ch.At(to)
			}
			if err := flags.fit(ctx, ch, method, session.Unary, in); err != nil {
				return err
			}
			out, err := plexus.Call[value](ctx, patient(ch, retry), method, in, opts...)
			if err != nil {
				return err
			}
			return a.formatter().value(out, flags.raw)
		})
	})
	return cmd
}

// patient returns what makes a call again, so often, where that is safe.
func patient(ch *plexus.Channel, retry uint) plexus.Caller {
	if retry == 0 {
		return ch
	}
	return policy.Wrap(ch, policy.Retry{Attempts: 1 + int(min(retry, maxRetries)), Budget: -1})
}

// maxRetries bounds --retry.
const maxRetries = 1 << 20
