// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
)

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Tell how a hub or server is: process, addresses, counts",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.verb(defaultTimeout, func(ctx context.Context, _ []string) error {
			return a.at(ctx, "", func(_ *plexus.Client, ch *plexus.Channel) error {
				var st operation.HubStatus
				if err := ch.Operate(ctx, operation.Status, operation.Empty{}, &st); err != nil {
					return err
				}
				return a.formatter().object(st, func(w io.Writer) { printStatus(w, &st) })
			})
		}),
	}
}

func printStatus(w io.Writer, st *operation.HubStatus) {
	row := func(name string, v any) { fmt.Fprintf(w, "%s\t%v\n", name, v) }
	row(st.Kind, orDash(st.ID))
	row("version", orDash(st.Version))
	row("pid", st.PID)
	row("up", age(st.Uptime))
	for _, e := range st.Endpoints {
		row("endpoint", e)
	}
	row("sessions", st.Sessions)
	row("channels", st.Channels)
	row("methods", st.Methods)
	row("topics", st.Topics)
	row("subscriptions", st.Subscriptions)
	row("calls", st.Calls)
	if st.Waiting+st.Refused+st.Resent > 0 {
		row("of groups", fmt.Sprintf("%d wait, %d refused, %d sent again", st.Waiting, st.Refused, st.Resent))
	}
	row("events", st.Events)
	row("published", st.Published)
	row("orphaned", st.Orphaned)
	row("replayed", st.Replayed)
	row("blocked", st.Blocked)
	row("kept bytes", st.Kept)
	row("delivered", st.Delivered)
	row("queued", st.Queued)
	row("dropped", byReason(st.Dropped))
}
