// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/status"
)

// claimsLine is what a token says, as JSON.
type claimsLine struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	IssuedAt  time.Time `json:"issued_at"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	Hubs      []string  `json:"hubs,omitempty"`
	Rights    []string  `json:"rights"`
	Sealed    bool      `json:"sealed"`
	IDs       []string  `json:"ids"`
}

// printClaims tells what a token says.
func (a *app) printClaims(c *token.Claims) {
	line := claimsLine{
		Subject: c.Subject, Issuer: c.Issuer.String(), IssuedAt: c.IssuedAt, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Hubs: c.Audience, Rights: []string{}, Sealed: c.Sealed,
	}
	for _, r := range c.Rights {
		line.Rights = append(line.Rights, formatRight(r))
	}
	for _, id := range c.IDs {
		line.IDs = append(line.IDs, string(id))
	}
	if a.output == outputJSON {
		fmt.Fprintln(a.out, mustJSON(line))
		return
	}
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.out, "%-11s%s\n", name, value)
		}
	}
	row("subject", line.Subject)
	row("issuer", line.Issuer)
	row("issued", stampOf(c.IssuedAt))
	row("not before", stampOf(c.NotBefore))
	row("not after", stampOf(c.NotAfter))
	if c.Audience != nil {
		row("hubs", strings.Join(c.Audience, " ")+" ")
	}
	for _, r := range line.Rights {
		row("right", r)
	}
	for _, id := range line.IDs {
		row("id", id)
	}
	if c.Sealed {
		row("sealed", "yes")
	}
}

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (a *app) tokenInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect FILE", Short: "Tell what a token says, not whether a hub takes it; - is stdin", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := a.readToken(args[0])
			if err != nil {
				return err
			}
			c := t.Claims()
			a.printClaims(&c)
			return nil
		},
	}
}

func (a *app) tokenVerify() *cobra.Command {
	var issuers []string
	var revoked, hub string
	cmd := &cobra.Command{
		Use: "verify FILE", Short: "Judge a token as a hub would now; - is stdin", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := a.readToken(args[0])
			if err != nil {
				return err
			}
			trust, err := daemon.ReadTrust(issuers, revoked)
			if err != nil {
				return err
			}
			if trust.Hub = hub; hub == "" && len(t.Claims().Audience) > 0 {
				return usagef("--hub is missing: this token is good for some hubs only")
			}
			c, err := token.NewVerifier(trust).Verify(t)
			if err == nil {
				a.printClaims(&c)
			}
			return err
		},
	}
	cmd.Flags().StringArrayVar(&issuers, "token-issuer", nil, "file with public keys of issuers, may be repeated")
	cmd.Flags().StringVar(&revoked, "revoked", "", "file that lists revoked tokens")
	cmd.Flags().StringVar(&hub, "hub", "", "the id of the hub")
	_ = cmd.MarkFlagRequired("token-issuer") // there is one
	return cmd
}

func (a *app) tokenRevoke() *cobra.Command {
	var list, issuer, before string
	cmd := &cobra.Command{
		Use: "revoke [ID|FILE]…", Short: "Add tokens to a list of revoked ones, with all that was narrowed from them",
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := readRevoked(list)
			if err != nil {
				return err
			}
			for _, arg := range args {
				id, err := a.tokenID(arg)
				if err != nil {
					return err
				}
				if !slices.Contains(r.IDs, id) {
					r.IDs = append(r.IDs, id)
				}
			}
			if issuer != "" {
				trust, err := daemon.ReadTrust([]string{issuer}, "")
				if err != nil {
					return err
				}
				r.Issuers = append(r.Issuers, trust.Issuers...)
			}
			if before != "" {
				if r.Before, err = time.Parse(time.RFC3339, before); err != nil {
					return usagef("--issued-before %q is no time: write it as 2026-11-21T12:00:00Z", before)
				}
			}
			return writeRevoked(list, &r)
		},
	}
	cmd.Flags().StringVar(&list, "revoked", "", "the list: a file, made if there is none")
	cmd.Flags().StringVar(&issuer, "issuer", "", "revoke all tokens of the issuers in this file of public keys")
	cmd.Flags().StringVar(&before, "issued-before", "", "revoke all tokens that were issued before this time")
	_ = cmd.MarkFlagRequired("revoked") // there is one
	return cmd
}

// tokenID returns the id that is given, or the last one of the token in a file.
func (a *app) tokenID(arg string) (token.ID, error) {
	if _, err := token.ParseRevoked([]byte(mustJSON(token.Revoked{IDs: []token.ID{token.ID(arg)}}))); err == nil {
		return token.ID(arg), nil
	}
	t, err := a.readToken(arg)
	if err != nil {
		return "", err
	}
	ids := t.Claims().IDs
	return ids[len(ids)-1], nil
}

func readRevoked(path string) (token.Revoked, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return token.Revoked{}, nil
	}
	if err != nil {
		return token.Revoked{}, usage(err)
	}
	return token.ParseRevoked(content)
}

// writeRevoked replaces the list as a whole: a hub reads the old one or the new one.
func writeRevoked(path string, r *token.Revoked) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if len(text) >= token.MaxRevoked {
		return status.Errorf(status.LimitExceeded, "the list would be longer than a hub reads: revoke what is old with --issued-before, and begin a new list")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".revoked-*")
	if err != nil {
		return usage(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
