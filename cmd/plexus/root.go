// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark"
	"github.com/plexus-ipc/plexus/daemon"
)

const rootHelp = `Plexus lets processes talk: typed calls, streams and publications, directly or
through a hub.

A first conversation, in three terminals:

  plexus serve                                       # a hub, at the name "plexus"
  plexus provide text/upper -- tr a-z A-Z            # a shell command as a method
  plexus call text/upper '"hello"'                   # "HELLO"

Addresses are URLs: unix:///run/app.sock, tcp://host:4000, tls://host:4000. A name such
as demo is the best transport of this machine in your own directory; without --address
and PLEXUS_ADDRESS it is "plexus".

Methods, topics and events are written channel/name: a channel is a named room of a hub.
Without a slash the channel is "", which is what a direct server has: "plexus call add"
talks to a program that listens by itself.

Values are JSON. "-" reads the value from stdin, "@file" from a file; with --raw the
bytes go as they are.`

// root builds the tree of commands.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "plexus", Short: "Typed calls, streams and publications between processes", Long: rootHelp,
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: a.begin,
	}
	a.globalFlags(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: "hub", Title: "Hub:"},
		&cobra.Group{ID: "talk", Title: "Talk:"},
		&cobra.Group{ID: "tools", Title: "Tools:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("hub", a.serve(), a.bridge(), a.explore(), a.schema(), a.members(), a.kick(), a.status(), a.stats(), a.deadLetters(), a.access(), a.reload(), a.stop())
	add("talk", a.call(), a.stream(), a.provide(), a.send(), a.broadcast(), a.publish(), a.subscribe())
	add("tools", a.runChild(), a.endpoint(), a.token(), a.noiseKeys(), a.sealKeys(), a.demo(), a.bench(), a.doctor(), a.version())
	root.AddCommand(a.demoRole(), a.benchRole(), a.keeper(), exitCodesTopic())
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	return root
}

// begin runs when the command line has been understood.
func (a *app) begin(cmd *cobra.Command, _ []string) error {
	a.timeoutSet = cmd.Flags().Changed("timeout")
	if a.output != outputText && a.output != outputJSON {
		asked := a.output
		a.output = outputText
		return usagef("--output %q is unknown: it is text or json", asked)
	}
	if a.timeout < 0 {
		return usagef("--timeout %v is negative: 0 is no limit", a.timeout)
	}
	if a.socketBuffer != "" {
		n, err := benchmark.ParseSize(a.socketBuffer)
		if err != nil || n == 0 {
			return usagef("--socket-buffer %q is no size: write 256K or 1M", a.socketBuffer)
		}
		a.socketBytes = n
	}
	if a.address == "" {
		a.address = daemon.DefaultAddress
		if v, _ := a.env("PLEXUS_ADDRESS"); v != "" {
			a.address = v
		}
	}
	a.began = true
	return nil
}

func (a *app) globalFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringVarP(&a.address, "address", "a", "", `where the hub or server is (default: $PLEXUS_ADDRESS, else "plexus")`)
	f.BoolVar(&a.reconnect, "reconnect", false, "when the connection is lost, make it anew, and with it what was subscribed to and provided")
	f.StringVar(&a.secretFile, "secret-file", "", "file with the secret shared with the hub (default: $PLEXUS_SECRET is the secret itself)")
	f.StringVar(&a.tokenFile, "token-file", "", "file with the token that says who you are (default: $PLEXUS_TOKEN is the token itself)")
	f.StringSliceVar(&a.serverUsers, "server-user", nil, "who may run the hub or server at a unix address, by name or number (default: you and root where others could have put it)")
	f.StringVar(&a.passwordFile, "password-file", "", "file with the password of the channel (default: $PLEXUS_PASSWORD is the password itself)")
	f.StringVar(&a.id, "id", "", "the id to be known by (default: one is chosen)")
	f.DurationVar(&a.timeout, "timeout", 0, "give up after this time, 0 for never (default: 30s for what asks and answers, else never)")
	f.StringVarP(&a.output, "output", "o", outputText, "text or json; json also makes errors JSON, on stderr")
	f.StringVar(&a.tls.CA, "tls-ca", "", "PEM file of who vouches for the other side's TLS certificate")
	f.StringVar(&a.tls.Cert, "tls-cert", "", "PEM file with the own TLS certificate")
	f.StringVar(&a.tls.Key, "tls-key", "", "PEM file with its key")
	f.StringVar(&a.tlsName, "tls-server-name", "", "the name in the server's certificate, if it is not the host of the address")
	f.StringVar(&a.noise.Shared, "noise-shared-file", "", "file with the shared key for noise+tcp addresses, of plexus noise keygen --shared")
	f.StringVar(&a.noise.Private, "noise-private-file", "", "file with the own key for noise+tcp addresses, of plexus noise keygen")
	f.StringVar(&a.noise.Server, "noise-server", "", "public key of the hub or server at a noise+tcp address, or @ and a file with it")
	f.StringVar(&a.socketBuffer, "socket-buffer", "", "send and receive buffers of sockets: 256K, 1M (default: the system's)")
	f.StringVar(&a.logLevel, "log-level", "", "debug, info, warn or error (default: info for serve, else warn)")
	f.StringVar(&a.logFormat, "log-format", "text", "text or json")
}
