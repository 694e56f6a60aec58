// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

const statsHelp = `Tell what a hub has done and what waits in it: messages, bytes, calls by outcome, drops by
reason, the latency of calls.

  plexus stats
  plexus stats --watch 2s               # again and again, with what there was in a second
  plexus stats --watch 2s -o json       # a line of JSON each time

Counts are since the hub began.`

func (a *app) stats() *cobra.Command {
	var watch time.Duration
	var count int
	cmd := &cobra.Command{
		Use: "stats", Short: "Count what goes through a hub", Long: statsHelp,
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().DurationVar(&watch, "watch", 0, "tell again after this time, until interrupted")
	cmd.Flags().IntVarP(&count, "count", "n", 0, "with --watch: stop after so many, 0 for never")
	once := a.verb(defaultTimeout, func(ctx context.Context, _ []string) error { return a.printStats(ctx, 0, 1) })
	again := a.verb(0, func(ctx context.Context, _ []string) error { return a.printStats(ctx, watch, count) })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case watch < 0 || watch > 0 && watch < 10*time.Millisecond:
			return usagef("--watch %v is too short", watch)
		case watch > 0:
			return again(cmd, args)
		}
		return once(cmd, args)
	}
	return cmd
}

// printStats prints the counts, every so often if that is positive.
func (a *app) printStats(ctx context.Context, every time.Duration, count int) error {
	return a.at(ctx, "", func(c *plexus.Client, ch *plexus.Channel) error {
		var before *operation.HubStats
		for n := 1; ; n++ {
			now := &operation.HubStats{}
			if err := ch.Operate(ctx, operation.Stats, operation.Empty{}, now); err != nil {
				return a.gone(err)
			}
			err := a.formatter().object(now, func(w io.Writer) { printStats(w, now, before) })
			if err != nil || n == count {
				return err
			}
			before = now
			if err := a.pause(ctx, c, every); err != nil {
				return err
			}
		}
	})
}

// pause waits, unless the hub goes away.
func (a *app) pause(ctx context.Context, c *plexus.Client, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		if a.output == outputText {
			fmt.Fprintln(a.out)
		}
		return nil
	case <-c.Done():
		return a.gone(c.Err())
	case <-ctx.Done():
		return status.Convert(ctx.Err())
	}
}

// printStats prints a table: what is now, what was so far, and, if there was a table before,
// what there was in a second since.
func printStats(w io.Writer, now, before *operation.HubStats) {
	row := func(name string, v any) { fmt.Fprintf(w, "%s\t%v\n", name, v) }
	grown := func(name string, of func(s *operation.HubStats) uint64) {
		v := of(now)
		if before == nil || now.Uptime <= before.Uptime {
			row(name, v)
			return
		}
		row(name, fmt.Sprintf("%d\t%.0f/s", v, float64(v-min(of(before), v))/(now.Uptime-before.Uptime)))
	}
	row("hub", now.ID)
	row("up", age(now.Uptime))
	row("sessions", fmt.Sprintf("%d of %d users, %d so far", now.Sessions, now.Users, now.SessionsTotal))
	row("channels", fmt.Sprintf("%d with %d methods, %d topics", now.Channels, now.Methods, now.Topics))
	row("subscriptions", now.Subscriptions)
	grown("frames in", func(s *operation.HubStats) uint64 { return s.Received.Frames })
	grown("frames out", func(s *operation.HubStats) uint64 { return s.Sent.Frames })
	grown("bytes in", func(s *operation.HubStats) uint64 { return s.Received.Bytes })
	grown("bytes out", func(s *operation.HubStats) uint64 { return s.Sent.Bytes })
	grown("calls", func(s *operation.HubStats) uint64 { return s.Calls.Routed })
	row("calls open", now.Calls.Open)
	row("calls failed", byReason(now.Calls.Failed))
	if l := now.Calls.Latency; l.Samples > 0 {
		row("call latency", fmt.Sprintf("half below %.0f µs, 99 %% below %.0f µs (%d samples)", l.P50, l.P99, l.Samples))
	}
	grown("published", func(s *operation.HubStats) uint64 { return s.Published })
	for _, m := range []struct {
		name string
		of   func(s *operation.HubStats) *operation.MessageStats
	}{
		{"publications", func(s *operation.HubStats) *operation.MessageStats { return &s.Publications }},
		{"events", func(s *operation.HubStats) *operation.MessageStats { return &s.Events }},
		{"notices", func(s *operation.HubStats) *operation.MessageStats { return &s.Notices }},
		{"bulletins", func(s *operation.HubStats) *operation.MessageStats { return &s.Bulletins }},
	} {
		grown(m.name+" delivered", func(s *operation.HubStats) uint64 { return m.of(s).Delivered })
		row(m.name+" queued", m.of(now).Queued)
		row(m.name+" dropped", byReason(m.of(now).Dropped))
	}
	row("malformed", now.Malformed)
	row("limits hit", now.Limits)
	row("sessions cut for memory", now.Shed)
	row("unheard", now.Unheard)
	if d := now.DeadLetters; d != nil {
		row("dead letters", deadLetterLine(d))
	}
	row("bytes queued", now.QueuedBytes)
	row("process", fmt.Sprintf("%d goroutines, %d KiB on the heap", now.Goroutines, now.HeapBytes>>10))
	row("bytes in outboxes", fmt.Sprintf("%d, at most %d in one", now.OutboxBytes, now.MaxOutboxBytes))
}

// byReason prints counts by what they are of.
func byReason(counts map[string]uint64) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return orDash(strings.Join(parts, ", "))
}
