// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/deadletter/bolt"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

const deadLettersHelp = `Look at dead letters: messages that somebody has missed, or that nobody was there for, and
that the hub has kept. "plexus serve --dead-letters FILE --dead-letter 'orders/>'" has it
keep them.

  plexus deadletters list
  plexus deadletters list --channel orders --reason queue_full -o json
  plexus deadletters show 17
  plexus deadletters replay 17 18          # to who missed them
  plexus deadletters replay --all --everybody
  plexus deadletters purge --older-than 24h
  plexus deadletters list --file letters/   # no hub runs

You may if you are the user that the hub runs as, or an administrator of it (plexus serve
--admin). docs/dead-letters.md tells the rest.`

// addDeadLetters adds the flags of what is kept.
func (s *serveFlags) addDeadLetters(f *pflag.FlagSet) {
	d := &s.cfg.DeadLetters
	f.StringVar(&d.Path, "dead-letters", "", "file, or folder for it, that messages are kept in that nobody got (default: they are not kept)")
	f.StringArrayVar(&d.Rules, "dead-letter", nil, "which are kept: channel/name, or channel/name=reason,reason, with patterns, may be repeated; '>/>' for all")
	f.IntVar(&d.MaxRecords, "dead-letter-count", bolt.DefaultMaxRecords, "dead letters to keep; the oldest goes")
	f.IntVar(&d.MaxBytes, "dead-letter-bytes", bolt.DefaultMaxBytes, "bytes of them")
	f.DurationVar(&d.MaxAge, "dead-letter-age", bolt.DefaultMaxAge, "how long to keep them; less than 0 is for ever")
	f.IntVar(&d.QueueBytes, "dead-letter-queue", deadletter.DefaultQueueBytes, "bytes of them that may wait in memory to be written; more are lost, and counted")
}

func (a *app) deadLetters() *cobra.Command {
	cmd := &cobra.Command{
		Use: "deadletters", Short: "List, show, replay and purge messages that nobody got", Long: deadLettersHelp,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&a.letterFile, "file", "", "look into this file, or folder, instead of asking a hub, while none has it: to list, show and purge")
	cmd.AddCommand(a.listLetters(), a.showLetter(), a.replayLetters(), a.purgeLetters())
	return cmd
}

// letterFilter are the flags that choose dead letters.
type letterFilter struct {
	operation.DeadLetterFilter
	older time.Duration
}

func (l *letterFilter) add(f *pflag.FlagSet, all bool) {
	f.SortFlags = false
	f.StringVar(&l.Channel, "channel", "", "those of a channel, name or pattern")
	f.StringVar(&l.Name, "name", "", "those of a topic, event or method, name or pattern")
	f.StringVar(&l.Kind, "kind", "", "publication, event, broadcast or call")
	f.StringVar(&l.Reason, "reason", "", "those that were missed for a reason: queue_full, closed, no_subscriber …")
	f.StringVar(&l.Sender, "sender", "", "those of a member")
	f.StringVar(&l.Receiver, "receiver", "", "those that a member has missed")
	f.DurationVar(&l.older, "older-than", 0, "those that are older")
	if all {
		f.BoolVar(&l.All, "all", false, "all of them")
	}
}

// filter returns the filter with the ids that are arguments.
func (l *letterFilter) filter(args []string) (operation.DeadLetterFilter, error) {
	f := l.DeadLetterFilter
	if l.older < 0 {
		return f, usagef("--older-than %v is negative", l.older)
	}
	f.OlderThan = l.older.Seconds()
	for _, arg := range args {
		id, err := letterID(arg)
		if err != nil {
			return f, err
		}
		f.IDs = append(f.IDs, id)
	}
	return f, usage(deadletter.CheckFilter(&f, false))
}

func letterID(arg string) (uint64, error) {
	id, err := strconv.ParseUint(arg, 10, 64)
	if err != nil || id == 0 {
		return 0, usagef("%q is no number of a dead letter", arg)
	}
	return id, nil
}

func (a *app) listLetters() *cobra.Command {
	var l letterFilter
	var count int
	var after uint64
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the oldest first", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	l.add(cmd.Flags(), false)
	cmd.Flags().IntVarP(&count, "count", "n", 100, "at most so many")
	cmd.Flags().Uint64Var(&after, "after", 0, "those after this number")
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, _ []string) error {
		f, err := l.filter(nil)
		if err != nil {
			return err
		}
		if count < 1 {
			return usagef("--count %d is too few", count)
		}
		return a.letters(ctx, func(ch letterDesk) error {
			var all operation.DeadLetterList
			q := operation.DeadLetterQuery{DeadLetterFilter: f, After: after}
			for {
				q.Limit = min(count-len(all.Letters), operation.MaxDeadLetterPage)
				page, err := ch.DeadLetters(ctx, q)
				if err != nil {
					return err
				}
				all.Letters = append(all.Letters, page.Letters...)
				all.Next, all.Stats = page.Next, page.Stats
				if q.After = page.Next; page.Next == 0 || len(all.Letters) >= count {
					break
				}
			}
			return a.formatter().object(all, func(w io.Writer) { printLetters(w, &all) })
		})
	})
	return cmd
}

func printLetters(w io.Writer, list *operation.DeadLetterList) {
	fmt.Fprintln(w, "ID\tTIME\tKIND\tNAME\tREASON\tSENDER\tRECEIVER\tATTEMPTS\tBYTES")
	for i := range list.Letters {
		l := &list.Letters[i]
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n", l.ID, l.Time.Format(time.RFC3339), l.Kind, joinName(l.Channel, l.Name),
			l.Reason, orDash(l.Sender), orDash(l.Receiver), l.Attempts, l.Size)
	}
}

func (a *app) showLetter() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show number", Short: "Show a dead letter with its payload", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
		id, err := letterID(args[0])
		if err != nil {
			return err
		}
		return a.letters(ctx, func(ch letterDesk) error {
			l, err := ch.DeadLetter(ctx, id)
			if err != nil {
				return err
			}
			return a.formatter().object(l, func(w io.Writer) { printLetter(w, &l) })
		})
	})
	return cmd
}

func printLetter(w io.Writer, l *operation.DeadLetter) {
	row := func(name string, v any) { fmt.Fprintf(w, "%s\t%v\n", name, v) }
	row("id", l.ID)
	row("time", l.Time.Format(time.RFC3339Nano))
	row("kind", l.Kind)
	row("name", joinName(l.Channel, l.Name))
	row("reason", l.Reason)
	row("attempts", l.Attempts)
	row("sender", orDash(l.Sender)+" ("+orDash(printable(l.Identity))+")")
	row("receiver", orDash(l.Receiver))
	row("codec", l.Codec)
	for _, k := range slices.Sorted(maps.Keys(l.Headers)) {
		row("header "+printable(k), printable(l.Headers[k]))
	}
	if l.Value != nil {
		row("value", string(line(l.Value)))
	} else {
		row("value", fmt.Sprintf("%q", l.Data))
	}
}

func (a *app) replayLetters() *cobra.Command {
	var l letterFilter
	in := operation.DeadLetterReplay{}
	cmd := &cobra.Command{
		Use: "replay [number...]", Short: "Send dead letters again, and remove those that were received", ValidArgsFunction: cobra.NoFileCompletions,
	}
	l.add(cmd.Flags(), true)
	cmd.Flags().BoolVar(&in.Everybody, "everybody", false, "send to whoever takes messages of the name now, not only to who missed it")
	cmd.Flags().IntVarP(&in.Limit, "count", "n", operation.MaxDeadLetterReplay, "at most so many, the oldest first")
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
		f, err := l.filter(args)
		if err == nil {
			err = usage(deadletter.CheckFilter(&f, true))
		}
		if err != nil {
			return err
		}
		if a.letterFile != "" {
			return usagef("without a hub there is nobody to send to: leave --file out")
		}
		in.DeadLetterFilter = f
		return a.at(ctx, "", func(_ *plexus.Client, ch *plexus.Channel) error {
			out, err := ch.ReplayDeadLetters(ctx, in)
			if err != nil {
				return err
			}
			err = a.formatter().object(out, func(w io.Writer) {
				fmt.Fprintf(w, "sent\t%d\n", out.Sent)
				for _, x := range out.Failed {
					fmt.Fprintf(w, "kept\t%d\t%s\n", x.ID, printable(x.Reason))
				}
			})
			if err == nil && len(out.Failed) > 0 {
				err = status.Errorf(status.Unavailable, "%d dead letters were not received, and are kept", len(out.Failed))
			}
			return err
		})
	})
	return cmd
}

func (a *app) purgeLetters() *cobra.Command {
	var l letterFilter
	cmd := &cobra.Command{
		Use: "purge [number...]", Short: "Remove dead letters for good", ValidArgsFunction: cobra.NoFileCompletions,
	}
	l.add(cmd.Flags(), true)
	cmd.RunE = a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
		f, err := l.filter(args)
		if err == nil {
			err = usage(deadletter.CheckFilter(&f, true))
		}
		if err != nil {
			return err
		}
		return a.letters(ctx, func(ch letterDesk) error {
			out, err := ch.PurgeDeadLetters(ctx, f)
			if err != nil {
				return err
			}
			return a.formatter().object(out, func(w io.Writer) { fmt.Fprintf(w, "removed\t%d\n", out.Removed) })
		})
	})
	return cmd
}

// deadLetterLine tells the counts in a line.
func deadLetterLine(d *operation.DeadLetterStats) string {
	s := fmt.Sprintf("%d in %d bytes, %d kept so far, %d wait, %d replayed, %d purged, %d retired", d.Records, d.Bytes, d.Kept, d.Waiting, d.Replayed, d.Purged, d.Retired)
	if len(d.Lost) > 0 {
		s += ", lost: " + byReason(d.Lost)
	}
	if d.Quarantined > 0 {
		s += fmt.Sprintf(", %d damaged", d.Quarantined)
	}
	if d.Failed != "" {
		s += "; " + d.Failed
	}
	return s
}
