// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/noise"
)

const noiseHelp = `Keys for noise+tcp addresses: encryption without certificates.

  plexus noise keygen --shared > shared.key      # whoever has it may connect
  plexus noise keygen > my.key                   # a key of one's own
  plexus noise public my.key                     # what others are given of it

Keys are never chosen, always generated: 256 random bits. chmod 600 their files.`

// noiseDrivers returns the driver for noise+tcp, if there are keys, which one of the addresses
// may need.
func (a *app) noiseDrivers(log *slog.Logger, addresses ...string) ([]transport.Transport, error) {
	all, err := a.noise.Drivers(log)
	if err != nil || len(all) > 0 {
		return all, usage(err)
	}
	for _, address := range addresses {
		if strings.HasPrefix(strings.ToLower(address), noise.Scheme+":") {
			return nil, usagef("%s needs keys: --noise-shared-file, or --noise-private-file and --noise-server", address)
		}
	}
	return nil, nil
}

func (a *app) noiseKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use: "noise", Short: "Make keys for noise+tcp addresses", Long: noiseHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.noiseKeygen(), a.noisePublic())
	return cmd
}

func (a *app) noiseKeygen() *cobra.Command {
	var shared bool
	cmd := &cobra.Command{
		Use: "keygen", Short: "Print a new key, for a file that only you can read", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.verb(0, func(context.Context, []string) error {
			if shared {
				k := noise.GenerateKey()
				return a.formatter().object(map[string]string{"shared": k.Text()}, func(w io.Writer) { fmt.Fprintln(w, k.Text()) })
			}
			k := noise.GeneratePrivateKey()
			v := map[string]string{"private": k.Text(), "public": k.Public().String(), "name": k.Public().Name()}
			return a.formatter().object(v, func(w io.Writer) { fmt.Fprintln(w, k.Text()) })
		}),
	}
	cmd.Flags().BoolVar(&shared, "shared", false, "a key that all sides have, instead of one of one's own")
	return cmd
}

func (a *app) noisePublic() *cobra.Command {
	return &cobra.Command{
		Use: "public file", Short: "Print the public key of a private one, and the name it gives", Args: cobra.ExactArgs(1),
		RunE: a.verb(0, func(_ context.Context, args []string) error {
			k, err := daemon.ReadNoisePrivateKey(args[0])
			if err != nil {
				return usage(err)
			}
			v := map[string]string{"public": k.Public().String(), "name": k.Public().Name()}
			return a.formatter().object(v, func(w io.Writer) { fmt.Fprintf(w, "%s  # %s\n", k.Public(), k.Public().Name()) })
		}),
	}
}
