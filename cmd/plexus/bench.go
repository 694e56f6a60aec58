// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark"
)

const benchHelp = `Measure the transports of this machine, between processes, through the library's own
functions: calls (1, 8 and 64 callers on one connection), streams, and publications to one
subscriber and to eight; directly and through a hub; with 64 B, 1 KiB, 64 KiB and 1 MiB.

  plexus bench                                     # everything, three to five minutes
  plexus bench --quick                             # the most important, well below 45 s
  plexus bench --transport unix,tcp --pattern call --size 64
  plexus bench --transport unix --socket-buffer default,64K,256K,1M --size 64K,1M

Each case is measured in rounds, the transports one after the other in each; what is shown
are medians. A call goes there and back with the payload both ways. The times of streams
and publications are from send to receipt, of one message at a time. CPU and allocations
are those of all processes together; "rw calls" are the system calls that read or write.

At the end it says in plain words what to do with the figures. With --output json they are
{"machine":{…},"results":[…],"skipped":[…],"advice":[…]}. What a machine cannot do is left out, with
the reason. Nothing is left behind, however it ends.`

func (a *app) bench() *cobra.Command {
	var o benchmark.Options
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure the transports of this machine", Long: benchHelp, Args: cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.verb(0, func(ctx context.Context, _ []string) error {
			o.Version, o.JSON, o.Out, o.Err = programVersion(), a.output == outputJSON, a.out, a.err
			o.Progress = isTerminal(a.err)
			return benchmark.Run(ctx, o)
		}),
	}
	benchFlags(cmd.Flags(), &o)
	return cmd
}

func benchFlags(f *pflag.FlagSet, o *benchmark.Options) {
	f.SortFlags = false
	f.BoolVar(&o.Quick, "quick", false, "fewer cases, at most 45 s")
	f.IntVar(&o.Count, "count", 0, "operations per case and round (default: as many as fit its time)")
	f.IntVar(&o.Rounds, "rounds", 0, "how often each case is measured (default: 3, and 5 minutes at most)")
	f.StringSliceVar(&o.Transports, "transport", nil, "which: shm, npipe, unix, unixpacket, unixgram, tcp, tls (default: all that work here)")
	f.StringSliceVar(&o.Patterns, "pattern", nil, "which: call, stream, publish (default: all)")
	f.StringSliceVar(&o.Routes, "route", nil, "which: direct, hub (default: both)")
	f.StringSliceVar(&o.Sizes, "size", nil, "payloads: 64, 1K, 64K, 1M (default: these; with --quick 64 and 64K)")
	f.IntSliceVar(&o.Callers, "callers", nil, "callers of a call, subscribers of a publication (default: 1,8,64 and 1,8)")
	f.StringSliceVar(&o.Buffers, "socket-buffer", nil, "send and receive buffers of sockets: default, 64K, 1M (default: the system's)")
}

// benchRole is one process of the benchmark.
func (a *app) benchRole() *cobra.Command {
	return &cobra.Command{
		Use: benchmark.Verb + " role", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return benchmark.Role(context.WithoutCancel(cmd.Context()), args[0], a.in, a.out)
		},
	}
}

// isTerminal reports whether somebody watches.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
