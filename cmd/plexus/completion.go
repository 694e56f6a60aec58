// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/operation"
)

// completionTimeout is how long a shell may wait for names.
const completionTimeout = 300 * time.Millisecond

// ask gives f the hub, if one answers soon.
func (a *app) ask(cmd *cobra.Command, f func(ctx context.Context, ch *plexus.Channel) []string) []string {
	if a.address == "" {
		a.address = daemon.DefaultAddress
		if v, _ := a.env("PLEXUS_ADDRESS"); v != "" {
			a.address = v
		}
	}
	a.logLevel = "error"
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completionTimeout)
	defer cancel()
	var names []string
	_ = a.at(ctx, "", func(_ *plexus.Client, ch *plexus.Channel) error { // without a hub there are no names
		names = f(ctx, ch)
		return nil
	})
	return names
}

// channelNames asks for the channels there are.
func channelNames(ctx context.Context, ch *plexus.Channel) []string {
	var list operation.ChannelList
	if ch.Operate(ctx, operation.Channels, operation.Empty{}, &list) != nil {
		return nil
	}
	var names []string
	for _, c := range list.Channels {
		names = append(names, c.Name)
	}
	return names
}

// completeChannelNames completes a channel.
func (a *app) completeChannelNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.ask(cmd, channelNames), cobra.ShellCompDirectiveNoFileComp
}

// completeChannels completes the channel of channel/name.
func (a *app) completeChannels(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names := a.ask(cmd, channelNames)
	for i := range names {
		names[i] += "/"
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeMethods completes channel/method by what is provided.
func (a *app) completeMethods(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOffers(cmd, args, func(m operation.Member) []string { return m.Methods })
}

// completeTopics completes channel/topic by what is declared.
func (a *app) completeTopics(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.completeOffers(cmd, args, func(m operation.Member) []string { return m.Topics })
}

// completeNames completes channel/name by what is provided or declared.
func (a *app) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeOffers(cmd, args, func(m operation.Member) []string { return append(m.Methods, m.Topics...) })
}

func (a *app) completeOffers(cmd *cobra.Command, args []string, of func(operation.Member) []string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names := a.ask(cmd, func(ctx context.Context, ch *plexus.Channel) []string {
		var names []string
		for _, channel := range channelNames(ctx, ch) {
			var list operation.MemberList
			if ch.Operate(ctx, operation.Members, operation.Place{Channel: channel}, &list) != nil {
				break
			}
			for _, m := range list.Members {
				for _, name := range of(m) {
					names = append(names, joinName(channel, name))
				}
			}
		}
		return names
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}
