// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/demo"
)

const demoHelp = `Show every pattern with real processes, doing real work: a hub, a provider that indexes
the Go files of the folder, one that counts their words, and consumers that call, stream,
subscribe and broadcast over unix and tcp, directly and through the hub. What they get is
compared with what this process finds out by itself.

  plexus demo             # the current folder
  plexus demo ~/src/go -o json

It takes a few seconds and leaves nothing behind. The exit code is 0 if all was right.`

func (a *app) demo() *cobra.Command {
	return &cobra.Command{
		Use: "demo [folder]", Short: "Show every pattern with real processes", Long: demoHelp, Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: a.verb(2*defaultTimeout, func(ctx context.Context, args []string) error {
			folder := "."
			if len(args) > 0 {
				folder = args[0]
			}
			return demo.Run(ctx, demo.Options{Folder: folder, JSON: a.output == outputJSON, Out: a.out, Err: a.err})
		}),
	}
}

// demoRole is one process of the demo.
func (a *app) demoRole() *cobra.Command {
	return &cobra.Command{
		Use: "demo-role role", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return demo.Role(context.WithoutCancel(cmd.Context()), args[0], a.in, a.out)
		},
	}
}
