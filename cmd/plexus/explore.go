// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/cmd/plexus/internal/offers"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/subject"
)

const exploreHelp = `Show what can be called and subscribed to: the methods and topics of a channel, without
a channel those of all. The columns TAKES and GIVES are a digest of the schemas:
"plexus schema" shows one whole.

  plexus explore
  plexus explore math
  plexus explore math -o json
  plexus -a tcp://127.0.0.1:4000 explore       # what a program that listens itself offers`

const schemaHelp = `Show the JSON Schemas of a method or topic: what the caller sends (the request, or each
item of its stream) and what it gets (the answer, or each item).

  plexus schema math/add
  plexus schema math/add -o json > add.json   # what "plexus provide --schema add.json" takes`

func (a *app) explore() *cobra.Command {
	return &cobra.Command{
		Use: "explore [channel]", Short: "Show what can be called and subscribed to", Long: exploreHelp,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeChannelNames,
		RunE: a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
			if len(args) > 0 && args[0] != "" {
				if err := subject.ValidateChannel(args[0]); err != nil {
					return usage(err)
				}
			}
			return a.at(ctx, strings.Join(args, ""), func(_ *plexus.Client, ch *plexus.Channel) error {
				x, err := offers.Explore(ctx, ch, args)
				if err != nil {
					return err
				}
				return a.formatter().object(x, x.Print)
			})
		}),
	}
}

func (a *app) schema() *cobra.Command {
	return &cobra.Command{
		Use: "schema [channel/]name", Short: "Show the schemas of a method or topic", Long: schemaHelp,
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeNames,
		RunE: a.verb(defaultTimeout, func(ctx context.Context, args []string) error {
			channel, name, err := splitName(args[0])
			if err != nil {
				return err
			}
			return a.at(ctx, channel, func(_ *plexus.Client, ch *plexus.Channel) error {
				x, err := ch.Explore(ctx, name)
				if err != nil {
					return err
				}
				if a.output == outputJSON {
					return a.schemasAsJSON(&x)
				}
				offers.PrintSchemas(a.out, &x)
				return nil
			})
		}),
	}
}

// schemasAsJSON prints each method and topic of the name as a line of JSON.
func (a *app) schemasAsJSON(x *operation.Exploration) error {
	for _, m := range x.Methods {
		if err := a.formatter().object(m, nil); err != nil {
			return err
		}
	}
	for _, t := range x.Topics {
		if err := a.formatter().object(t, nil); err != nil {
			return err
		}
	}
	return nil
}
