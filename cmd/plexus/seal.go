// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/seal"
)

// maxIdentity is the longest file with an identity that is read, in bytes.
const maxIdentity = 4 << 10

const sealHelp = `Identities for messages that are signed and sealed from end to end, by package seal.

  plexus seal keygen > my.identity               # secret: chmod 600
  plexus seal public ann my.identity >> ring     # a line for the others: name and public key

With --hybrid what is sealed is closed to quantum computers as well, and longer.`

func (a *app) sealKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use: "seal", Short: "Make identities for signed and sealed messages", Long: sealHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.sealKeygen(), a.sealPublic())
	return cmd
}

func (a *app) sealKeygen() *cobra.Command {
	var hybrid bool
	cmd := &cobra.Command{
		Use: "keygen", Short: "Print a new identity, for a file that only you can read", Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.verb(0, func(context.Context, []string) error {
			suite := seal.X25519
			if hybrid {
				suite = seal.Hybrid
			}
			id, err := seal.Generate(suite)
			if err != nil {
				return err
			}
			v := map[string]string{"secret": id.Text(), "public": id.Public().String()}
			return a.formatter().object(v, func(w io.Writer) { fmt.Fprintln(w, id.Text()) })
		}),
	}
	cmd.Flags().BoolVar(&hybrid, "hybrid", false, "ML-KEM-768 with X25519, against those who record today and open later")
	return cmd
}

func (a *app) sealPublic() *cobra.Command {
	return &cobra.Command{
		Use: "public name file", Short: "Print the line of a ring for an identity: a name, and its public key", Args: cobra.ExactArgs(2),
		RunE: a.verb(0, func(_ context.Context, args []string) error {
			id, err := readIdentity(args[1])
			if err != nil {
				return usage(err)
			}
			if err := seal.NewRing().Add(args[0], id.Public()); err != nil { // the name may be none
				return usage(err)
			}
			v := map[string]string{"name": args[0], "public": id.Public().String()}
			return a.formatter().object(v, func(w io.Writer) { fmt.Fprintf(w, "%s %s\n", args[0], id.Public()) })
		}),
	}
}

func readIdentity(path string) (*seal.Identity, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxIdentity))
	if err != nil {
		return nil, err
	}
	return seal.ParseIdentity(string(b))
}
