// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

const subscribeHelp = `Print the publications on the topics that match a pattern, one in a line: topic, tab, value.

  plexus subscribe quotes/acme          # one topic
  plexus subscribe 'quotes/*'           # "*" is one token between dots
  plexus subscribe 'quotes/>' -o json   # ">" is all that follow
  plexus subscribe --events chat/note   # events instead: what is sent and broadcast to
  plexus subscribe --events 'chat/>'    #   members of the channel; this joins it
  plexus subscribe '$/events.>'         # what the hub itself publishes: joins, drops …
  plexus subscribe '$/logs.*'           #   its log; '$/errors.>': failures without a caller

  plexus subscribe 'quotes/*' --replay 1 --since 1h  # begin with the last value, if it is fresh

"subscribed to …" on stderr says that from now on nothing is missed. A subscriber that
does not keep up loses publications and is told how many; --queue and --policy say how:
drop_oldest, drop_newest, disconnect, or block, which holds up the publishers for at most
--block and then does as --on-block says.

--replay and --since begin with values that the hub has kept, if the topic was declared so.`

type subscribeFlags struct {
	events bool
	count  int
	how    service.SubscribeOptions
}

func (a *app) subscribe() *cobra.Command {
	var flags subscribeFlags
	cmd := &cobra.Command{
		Use: "subscribe [channel/]pattern", Short: "Print what is published on topics, or events", Long: subscribeHelp,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeTopics,
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.events, "events", "e", false, "print events, not publications")
	f.IntVarP(&flags.count, "count", "n", 0, "stop after so many, 0 for never")
	how := &flags.how
	f.IntVar(&how.Queue, "queue", 0, "publications that may wait for this subscriber (default: the hub's)")
	f.IntVar(&how.QueueBytes, "queue-bytes", 0, "their bytes (default: the hub's)")
	f.StringVar(&how.Policy, "policy", operation.DropOldest, "what happens when they are too many: drop_oldest, drop_newest, disconnect or block")
	f.DurationVar(&how.Block, "block", 0, "with --policy block: how long publishers may be held up each time (default: the hub's)")
	f.StringVar(&how.OnBlock, "on-block", "", "with --policy block: the policy after that (default: drop_oldest)")
	f.IntVar(&how.Replay, "replay", 0, "begin with so many values that each topic has kept")
	f.DurationVar(&how.ReplaySince, "since", 0, "begin with the values kept that are not older than this")
	cmd.RunE = a.verb(0, func(ctx context.Context, args []string) error {
		channel, pattern, err := splitPattern(args[0])
		if err != nil {
			return err
		}
		return a.at(ctx, channel, func(c *plexus.Client, ch *plexus.Channel) error {
			if flags.events {
				return a.printEvents(ctx, c, ch, pattern, &flags)
			}
			return a.printPublications(ctx, ch, pattern, &flags)
		})
	})
	return cmd
}

func (a *app) printPublications(ctx context.Context, ch *plexus.Channel, pattern string, flags *subscribeFlags) error {
	sub, err := ch.Subscribe(ctx, pattern, flags.how)
	if err != nil {
		return err
	}
	defer done(sub)
	a.say("subscribed to %s", joinName(ch.Name(), pattern))
	out := a.formatter()
	for n := 1; ; n++ {
		p, err := sub.Recv(ctx)
		if err != nil {
			return a.gone(err)
		}
		if p.Resumed {
			a.say("the connection was lost before this: some may be missing")
		}
		if p.Dropped > 0 && a.output == outputText {
			a.say("%d publications were dropped here: this subscriber is too slow", p.Dropped)
		}
		m := message{Channel: p.Channel, Name: p.Topic, Sender: p.Sender, Sequence: p.Sequence, Dropped: p.Dropped, Replayed: p.Replayed, Codec: p.Codec}
		if err := out.message(m, p.Payload); err != nil || n == flags.count {
			return err
		}
	}
}

// printEvents joins the channel, where that exists, and prints the events whose names
// match.
func (a *app) printEvents(ctx context.Context, c *plexus.Client, ch *plexus.Channel, pattern string, flags *subscribeFlags) error {
	out, done := a.formatter(), make(chan error, 1)
	n := 0 // of the listener
	l := ch.Listen("", func(e service.Event) {
		if !subject.Match(pattern, e.Name) || flags.count > 0 && n == flags.count {
			return
		}
		n++
		m := message{Channel: e.Channel, Name: e.Name, Sender: e.Sender, Broadcast: e.Broadcast, Codec: e.Codec}
		if err := out.message(m, e.Payload); err != nil || n == flags.count {
			done <- err
		}
	})
	defer l.Close()
	m, err := membership(ctx, c, ch)
	if err != nil {
		return err
	}
	if err := join(ctx, ch); err != nil {
		return err
	}
	a.say("listening to events %s", joinName(ch.Name(), pattern))
	select {
	case err := <-done:
		return err
	case err = <-m.ended:
		return a.gone(err)
	case <-ctx.Done():
		return status.Convert(ctx.Err())
	}
}
