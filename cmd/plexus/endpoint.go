// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/endpoint"
)

const endpointHelp = `Addresses, and those of other programs. The forms:

  unix:///run/app.sock   unix://@name   unixpacket://…   unixgram://…
  tcp://host:port   tls://host:port   noise+tcp://host:port   ws://host/path   wss://…
  npipe://./pipe/name   shm:///run/app.sock   mmap:///file   mq://name   drop:///dir
  mem://name   stdio:   fd://3   auto:name, or just name

Foreign spellings are understood: hyper (tab.tcp://…), pipe (\\.\pipe\name), path,
hostport, grpc (unix:/path), zeromq (ipc:///path), dapper (--ipc tcp …).`

func (a *app) endpoint() *cobra.Command {
	cmd := &cobra.Command{
		Use: "endpoint", Short: "Parse and convert addresses", Long: endpointHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.endpointParse(), a.endpointConvert())
	return cmd
}

// parsedEndpoint is an address taken apart.
type parsedEndpoint struct {
	Endpoint  string            `json:"endpoint"`
	Spelling  string            `json:"spelling"`
	Record    endpoint.Record   `json:"record"`
	Options   map[string]string `json:"options,omitempty"`
	Resolved  string            `json:"resolved,omitempty"` // of an auto name, for this user
	Local     bool              `json:"local"`
	Supported bool              `json:"supported"`
	Reason    string            `json:"reason,omitempty"` // why it is not
}

func (a *app) endpointParse() *cobra.Command {
	return &cobra.Command{
		Use: "parse address...", Short: "Check addresses and take them apart", Args: cobra.MinimumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.verb(0, func(_ context.Context, args []string) error {
			for _, text := range args {
				e, spelling, err := endpoint.ParseForeign(text)
				if err != nil {
					return usage(err)
				}
				p := a.describe(e, spelling)
				if err := a.formatter().object(p, func(w io.Writer) { printEndpoint(w, &p) }); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (a *app) describe(e endpoint.Endpoint, spelling endpoint.Spelling) parsedEndpoint {
	p := parsedEndpoint{
		Endpoint: e.String(), Spelling: string(spelling), Record: e.Record(), Options: maps.Collect(e.Options()), Local: e.Local(), Supported: true,
	}
	if err := e.Supported(); err != nil {
		p.Supported, p.Reason = false, err.Error()
	}
	getenv := func(name string) string { v, _ := a.env(name); return v }
	if r, err := e.Resolve(endpoint.RuntimeDir(getenv, os.Getuid(), runtime.GOOS)); err == nil && r != e {
		p.Resolved = r.String()
	}
	return p
}

func printEndpoint(w io.Writer, p *parsedEndpoint) {
	row := func(name, v string) {
		if v != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, v)
		}
	}
	row("endpoint", p.Endpoint)
	row("spelling", p.Spelling)
	row("transport", p.Record.Transport)
	row("host", p.Record.Host)
	if p.Record.Port != 0 {
		row("port", fmt.Sprint(p.Record.Port))
	}
	row("path", p.Record.Path)
	row("pipe name", p.Record.PipeName)
	row("name", p.Record.Name)
	for _, name := range slices.Sorted(maps.Keys(p.Options)) {
		row("option "+name, p.Options[name])
	}
	row("resolved", p.Resolved)
	row("local", fmt.Sprint(p.Local))
	row("supported", fmt.Sprint(p.Supported))
	row("because", p.Reason)
}

func (a *app) endpointConvert() *cobra.Command {
	spellings := []string{
		string(endpoint.SpellingURL), string(endpoint.SpellingHyper), string(endpoint.SpellingPipe), string(endpoint.SpellingPath),
		string(endpoint.SpellingHostPort), string(endpoint.SpellingGRPC), string(endpoint.SpellingZeroMQ), string(endpoint.SpellingDapper),
	}
	var to string
	cmd := &cobra.Command{
		Use: "convert address[,address...]", Short: "Write addresses in another spelling", Args: cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.verb(0, func(_ context.Context, args []string) error {
			if !slices.Contains(spellings, to) {
				return usagef("--to %q is unknown: it is one of %s", to, strings.Join(spellings, ", "))
			}
			list, err := endpoint.ParseList(args[0])
			if err != nil {
				return usage(err)
			}
			text, err := endpoint.FormatList(list, endpoint.Spelling(to))
			if err != nil {
				return usage(err)
			}
			return a.formatter().object(map[string]string{"spelling": to, "address": text}, func(w io.Writer) { fmt.Fprintln(w, text) })
		}),
	}
	cmd.Flags().StringVar(&to, "to", string(endpoint.SpellingURL), "the spelling: "+strings.Join(spellings, ", "))
	return cmd
}
