// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/status"
)

const tokenHelp = `Make, narrow and judge tokens: signed statements of who somebody is and what he may do.

  plexus token keygen issuer.key                        # and issuer.key.pub
  plexus token issue alice --key issuer.key --right 'call:math' --expires 24h > alice.token
  plexus serve --listen tcp://:4000 --token-issuer issuer.key.pub --revoked revoked.json
  plexus call math/add '[1,2]' -a tcp://host:4000 --token-file alice.token

Who has a token can narrow it for somebody else, without the issuer:

  plexus token attenuate alice.token --right 'call:math/add' --expires 10m > helper.token

A right is VERBS[:CHANNEL[/NAME]]: verbs with commas between, of join, provide, call,
declare, publish, subscribe, own, administer, or * for all but the last; patterns of
channels and of methods, events and topics, all if they are left out.

A file with a token is as good as who it names: keep it like a key. The hub proves nothing
by it: across machines use tls, or a secret beside it.`

// token is the tree of verbs about tokens.
func (a *app) token() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Make, narrow and judge tokens", Long: tokenHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.tokenKeygen(), a.tokenIssue(), a.tokenAttenuate(), a.tokenInspect(), a.tokenVerify(), a.tokenRevoke())
	return cmd
}

func (a *app) tokenKeygen() *cobra.Command {
	return &cobra.Command{
		Use: "keygen FILE", Short: "Make the key of an issuer: FILE, and FILE.pub for hubs", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			i, err := token.NewIssuer()
			if err != nil {
				return err
			}
			if err := writeNew(args[0], i.Text(), 0o600); err != nil {
				return err
			}
			if err := writeNew(args[0]+".pub", i.Public().String(), 0o644); err != nil {
				return err
			}
			fmt.Fprintln(a.out, i.Public())
			return nil
		},
	}
}

// writeNew writes a line to a file that must not exist.
func writeNew(path, line string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return usage(err)
	}
	_, err = io.WriteString(f, line+"\n")
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// terms are the flags that say what a token is good for.
type terms struct {
	rights, hubs []string
	expires      time.Duration
	notBefore    string
	sealed       bool
}

func (m *terms) add(f *pflag.FlagSet, rights, expires string) {
	f.SortFlags = false
	f.StringArrayVar(&m.rights, "right", nil, "VERBS[:CHANNEL[/NAME]], may be repeated ("+rights+")")
	f.DurationVar(&m.expires, "expires", 0, "how long from now it is good ("+expires+")")
	f.StringVar(&m.notBefore, "not-before", "", "from when on it is good, as 2026-11-21T12:00:00Z")
	f.StringSliceVar(&m.hubs, "hub", nil, "ids of the hubs that it is good for")
	f.BoolVar(&m.sealed, "sealed", false, "it cannot be narrowed any further")
}

func (m *terms) terms(now time.Time) (t token.Terms, err error) {
	t = token.Terms{Sealed: m.sealed}
	if len(m.hubs) > 0 {
		t.Audience = m.hubs
	}
	if m.expires < 0 {
		return t, usagef("--expires %v is negative", m.expires)
	}
	if m.expires > 0 {
		t.NotAfter = now.Add(m.expires)
	}
	if m.notBefore != "" {
		if t.NotBefore, err = time.Parse(time.RFC3339, m.notBefore); err != nil {
			return t, usagef("--not-before %q is no time: write it as 2026-11-21T12:00:00Z", m.notBefore)
		}
	}
	for _, text := range m.rights {
		t.Rights = append(t.Rights, parseRight(text))
	}
	return t, nil
}

// parseRight takes VERBS[:CHANNEL[/NAME]] apart. What is wrong with it is found when the token
// is made.
func parseRight(text string) (r auth.Right) {
	given, where, _ := strings.Cut(text, ":")
	for v := range strings.SplitSeq(given, ",") {
		r.Verbs = append(r.Verbs, auth.Verb(strings.TrimSpace(v)))
	}
	r.Channel, r.Name, _ = strings.Cut(where, "/")
	return r
}

// formatRight is the reverse of parseRight.
func formatRight(r auth.Right) string {
	var given []string
	for _, v := range r.Verbs {
		given = append(given, string(v))
	}
	text := strings.Join(given, ",")
	switch {
	case r.Name != "":
		return text + ":" + r.Channel + "/" + r.Name
	case r.Channel != "":
		return text + ":" + r.Channel
	}
	return text
}

func (a *app) tokenIssue() *cobra.Command {
	var m terms
	var key string
	cmd := &cobra.Command{
		Use: "issue SUBJECT", Short: "Issue a token for somebody, to stdout", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			i, warning, err := daemon.ReadIssuer(key)
			if err != nil {
				return err
			}
			if warning != "" {
				fmt.Fprintln(a.err, "plexus: "+warning)
			}
			if m.expires == 0 {
				return usagef("--expires is missing: say how long the token is good, as 24h")
			}
			t, err := m.terms(time.Now())
			if err != nil {
				return err
			}
			made, err := i.Issue(args[0], t, time.Now())
			return a.printToken(made, err)
		},
	}
	cmd.Flags().StringVar(&key, "key", "", `file with the issuer's key, of "plexus token keygen"`)
	_ = cmd.MarkFlagRequired("key") // there is one
	m.add(cmd.Flags(), "needed", "needed")
	return cmd
}

func (a *app) tokenAttenuate() *cobra.Command {
	var m terms
	cmd := &cobra.Command{
		Use: "attenuate FILE", Short: "Narrow a token for somebody else, to stdout; - is stdin", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			held, err := a.readToken(args[0])
			if err != nil {
				return err
			}
			t, err := m.terms(time.Now())
			if err != nil {
				return err
			}
			made, err := held.Attenuate(t)
			return a.printToken(made, err)
		},
	}
	m.add(cmd.Flags(), "default: as before", "default: as before")
	return cmd
}

func (a *app) printToken(t *token.Token, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(a.out, t.Text())
	}
	return err
}

// readToken reads a token from a file, or from stdin.
func (a *app) readToken(path string) (*token.Token, error) {
	if path != "-" {
		t, warning, err := daemon.ReadToken(path)
		if warning != "" {
			fmt.Fprintln(a.err, "plexus: "+warning)
		}
		return t, err
	}
	text, err := io.ReadAll(io.LimitReader(a.in, 64<<10))
	if err != nil {
		return nil, status.Convert(err)
	}
	return token.Parse(string(text))
}
