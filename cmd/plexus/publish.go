// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

const publishHelp = `Publish a value on a topic, to all who subscribe to it.

  plexus publish --declare quotes/acme '{"price":12.5}'
  sensors | plexus publish --declare --lines lab/temperature

A topic must have been declared: by its owner, who then is the only one to publish, or as
a shared one. --declare does that for as long as this command runs. With --lines each
line of stdin is a publication.

With --keep and --keep-age the hub keeps values of the topic that is declared, for those
who subscribe later with --replay or --since; they end with the topic, and the topic with
this command: --stay has it stay until it is interrupted.

With --acknowledge it waits until the subscribers have taken the value and prints who
has, a line each: member, and "taken" or the reason why not. It fails with 3 if nobody has
subscribed, 4 if somebody has not taken it in --timeout, 6 if it was dropped for somebody.`

type publishFlags struct {
	valueFlags
	declare, shared, lines bool
	acknowledge, stay      bool
	keep                   int
	keepAge                time.Duration
}

func (a *app) publish() *cobra.Command {
	var flags publishFlags
	cmd := &cobra.Command{
		Use: "publish [channel/]topic [json]", Short: "Publish a value on a topic", Long: publishHelp,
		Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeTopics,
	}
	f := cmd.Flags()
	flags.add(f)
	f.BoolVarP(&flags.declare, "declare", "d", false, "declare the topic first")
	f.BoolVar(&flags.shared, "shared", false, "declare it as one that everybody may publish on (with --declare)")
	f.IntVar(&flags.keep, "keep", 0, "have the hub keep so many of the last values (with --declare)")
	f.DurationVar(&flags.keepAge, "keep-age", 0, "have the hub keep values for so long (with --declare)")
	f.BoolVar(&flags.acknowledge, "acknowledge", false, "wait until the subscribers have taken it, and print who has")
	f.BoolVar(&flags.stay, "stay", false, "stay until interrupted, so that the topic stays declared (with --declare)")
	f.BoolVar(&flags.lines, "lines", false, "publish each line of stdin")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		limit := defaultTimeout
		if flags.lines || flags.stay {
			limit = 0
		}
		return a.verb(limit, func(ctx context.Context, args []string) error { return a.publishTo(ctx, args, &flags) })(cmd, args)
	}
	return cmd
}

func (a *app) publishTo(ctx context.Context, args []string, flags *publishFlags) error {
	channel, topic, err := splitOffer(args[0])
	if err != nil {
		return err
	}
	if flags.lines && len(args) > 1 {
		return usagef("--lines takes the values from stdin: leave the value out")
	}
	if !flags.declare && (flags.keep != 0 || flags.keepAge != 0) {
		return usagef("--keep and --keep-age say what a declared topic keeps: use them with --declare")
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
		if flags.declare {
			how := []plexus.Option{service.WithKeep(flags.keep), service.WithKeepAge(flags.keepAge)}
			if flags.shared {
				how = append(how, plexus.WithShared())
			}
			if _, err := plexus.Declare(ch, topic, how...); err != nil {
				return err
			}
		}
		if !flags.lines {
			err = a.publishOne(ctx, ch, topic, v, flags, opts)
		} else {
			err = a.publishLines(ctx, ch, topic, flags, opts)
		}
		if err != nil {
			return err
		}
		if err := settled(ctx, c); err != nil || !flags.stay {
			return err
		}
		return a.stayWith(ctx, c, joinName(channel, topic))
	})
}

// publishOne publishes a value, and tells who got it if that is wanted.
func (a *app) publishOne(ctx context.Context, ch *plexus.Channel, topic string, v value, flags *publishFlags, opts []plexus.Option) error {
	if !flags.acknowledge {
		return plexus.Publish(ctx, ch, topic, v, opts...)
	}
	var r operation.Receipt
	if err := plexus.Publish(ctx, ch, topic, v, append(opts[:len(opts):len(opts)], service.WithReceipt(&r))...); err != nil {
		return err
	}
	return a.tellReceipt(joinName(ch.Name(), topic), &r)
}

// stayWith waits until this command is interrupted or the other side ends.
func (a *app) stayWith(ctx context.Context, c *plexus.Client, what string) error {
	s, err := c.Session(ctx)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	s.OnEnd(func(err error) { ended <- err })
	a.say("staying for %s", what)
	select {
	case err := <-ended:
		return a.gone(err)
	case <-ctx.Done():
		return status.Convert(context.Cause(ctx))
	}
}

// publishLines publishes each line of stdin.
func (a *app) publishLines(ctx context.Context, ch *plexus.Channel, topic string, flags *publishFlags, opts []plexus.Option) error {
	lines := bufio.NewScanner(a.in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		v := value(lines.Bytes())
		if !flags.raw {
			var err error
			if v, err = checkJSON(v); err != nil {
				return err
			}
		}
		if err := a.publishOne(ctx, ch, topic, v, flags, opts); err != nil {
			return err
		}
	}
	return lines.Err()
}

// maxLine is the longest line that is taken for a value.
const maxLine = 8 << 20
