// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
)

const publishHelp = `Publish a value on a topic, to all who subscribe to it.

  plexus publish --declare quotes/acme '{"price":12.5}'
  sensors | plexus publish --declare --lines lab/temperature

A topic must have been declared: by its owner, who then is the only one to publish, or as
a shared one. --declare does that for as long as this command runs. With --lines each
line of stdin is a publication.`

type publishFlags struct {
	valueFlags
	declare, shared, lines bool
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
	f.BoolVar(&flags.lines, "lines", false, "publish each line of stdin")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		limit := defaultTimeout
		if flags.lines {
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
			var how []plexus.Option
			if flags.shared {
				how = append(how, plexus.WithShared())
			}
			if _, err := plexus.Declare(ch, topic, how...); err != nil {
				return err
			}
		}
		if !flags.lines {
			err = plexus.Publish(ctx, ch, topic, v, opts...)
		} else {
			err = a.publishLines(ctx, ch, topic, flags.raw, opts)
		}
		if err != nil {
			return err
		}
		return settled(ctx, c)
	})
}

// publishLines publishes each line of stdin.
func (a *app) publishLines(ctx context.Context, ch *plexus.Channel, topic string, raw bool, opts []plexus.Option) error {
	lines := bufio.NewScanner(a.in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		v := value(lines.Bytes())
		if !raw {
			var err error
			if v, err = checkJSON(v); err != nil {
				return err
			}
		}
		if err := plexus.Publish(ctx, ch, topic, v, opts...); err != nil {
			return err
		}
	}
	return lines.Err()
}

// maxLine is the longest line that is taken for a value.
const maxLine = 8 << 20
