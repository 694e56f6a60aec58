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
	"unicode"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/subject"
)

const membersHelp = `List who is in a channel, what they provide and declare; without a channel all that are
connected to the hub or server.

  plexus members
  plexus members math -o json`

func (a *app) members() *cobra.Command {
	return &cobra.Command{
		Use: "members [channel]", Short: "List who is there, and what they offer", Long: membersHelp,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeChannelNames,
		RunE: a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
			var place operation.Place
			if len(args) > 0 && args[0] != "" {
				if err := subject.ValidateChannel(args[0]); err != nil {
					return usage(err)
				}
				place.Channel = args[0]
			}
			return a.at(ctx, place.Channel, func(_ *plexus.Client, ch *plexus.Channel) error {
				var list operation.MemberList
				if err := ch.Operate(ctx, operation.Members, place, &list); err != nil {
					return err
				}
				return a.formatter().object(list, func(w io.Writer) { printMembers(w, &list) })
			})
		}),
	}
}

func printMembers(w io.Writer, list *operation.MemberList) {
	if list.Channel == "" {
		printSessions(w, list)
		return
	}
	fmt.Fprintln(w, "ID\tOWNER\tIDENTITY\tAGE\tMETHODS\tTOPICS")
	for _, m := range list.Members {
		owner := "-"
		if m.Owner {
			owner = "owner"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, owner, orDash(m.Identity), age(m.Age),
			orDash(strings.Join(withGroups(&m), " ")), orDash(strings.Join(m.Topics, " ")))
	}
}

// printSessions prints who is connected, whatever channels they are in.
func printSessions(w io.Writer, list *operation.MemberList) {
	fmt.Fprintln(w, "ID\tIDENTITY\tAGE\tADDRESS\tPROGRAM\tMETADATA")
	for _, m := range list.Members {
		var said []string
		for _, key := range slices.Sorted(maps.Keys(m.Metadata)) {
			said = append(said, key+"="+m.Metadata[key])
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, orDash(m.Identity), age(m.Age),
			orDash(m.Address), orDash(printable(m.Product)), orDash(printable(strings.Join(said, " "))))
	}
}

// printable makes what a client says of itself fit for a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func age(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}
