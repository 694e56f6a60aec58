// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/status"
)

const accessHelp = `Look at an access list, the file that "plexus serve --access" takes. No hub is asked.

  plexus access list access.json
  plexus access check access.json
  plexus access check access.json --identity uid:1000 --verb call --channel math --name add

A list is JSON. What no rule allows is forbidden, and what one denies is, whatever others allow:

  {"rules": [
    {"who": ["uid:1000"], "allow": ["call"], "channel": "math", "name": "add.*"},
    {"who": ["token:alice", "cn:*"], "allow": ["*"], "channel": "chat"},
    {"who": ["*"], "deny": ["own"], "note": "for people"}
  ]}

who      a name as in "plexus members" (uid:1000, cn:web, token:alice, secret), gid:100 for the
         group that the kernel reports, own for the user that the hub runs as, the beginning of
         a name and *, or * for everybody
verbs    join, provide, call, declare, publish, subscribe, own, administer; * is all but administer
channel  a name or pattern, every channel without it
name     a name or pattern of methods, events and topics, every name without it`

func (a *app) access() *cobra.Command {
	cmd := &cobra.Command{
		Use: "access", Short: "Look at an access list, and explain what it decides", Long: accessHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.accessList(), a.accessCheck())
	return cmd
}

// ruleLine is a rule as "access list --output json" prints it.
type ruleLine struct {
	Line    int         `json:"line"`
	Who     []string    `json:"who"`
	Deny    bool        `json:"deny"`
	Verbs   []auth.Verb `json:"verbs"`
	Channel string      `json:"channel,omitempty"`
	Name    string      `json:"name,omitempty"`
}

func (a *app) accessList() *cobra.Command {
	cmd := &cobra.Command{Use: "list file", Short: "Print the rules of an access list", Long: accessHelp, Args: cobra.ExactArgs(1)}
	cmd.RunE = a.verb(0, func(_ context.Context, args []string) error {
		list, err := daemon.ReadAccess(args[0])
		if err != nil {
			return err
		}
		for _, r := range list.Rules() {
			if a.output == outputJSON {
				fmt.Fprintln(a.out, mustJSON(ruleLine{r.Line, r.Who, r.Deny, r.Verbs, r.Channel, r.Name}))
				continue
			}
			fmt.Fprintf(a.out, "%s:%d: %s\n", args[0], r.Line, r.String())
		}
		return nil
	})
	return cmd
}

// question is what "access check" asks.
type question struct {
	identities          []string
	verb, channel, name string
}

func (a *app) accessCheck() *cobra.Command {
	var q question
	cmd := &cobra.Command{Use: "check file", Short: "Check an access list, and explain a decision", Long: accessHelp, Args: cobra.ExactArgs(1)}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&q.identities, "identity", nil, "who asks; may be repeated for who is several: --identity token:alice --identity uid:1000")
	f.StringVar(&q.verb, "verb", "", "what for")
	f.StringVar(&q.channel, "channel", "", "in which channel")
	f.StringVar(&q.name, "name", "", "the method, event or topic")
	cmd.RunE = a.verb(0, func(_ context.Context, args []string) error {
		list, err := daemon.ReadAccess(args[0])
		if err != nil {
			return err
		}
		if len(q.identities) == 0 && q.verb == "" {
			fmt.Fprintf(a.out, "%s is in order: %d rules\n", args[0], len(list.Rules()))
			return nil
		}
		return a.explain(args[0], list, &q)
	})
	return cmd
}

// answerLine is a decision as "access check --output json" prints it.
type answerLine struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason"`
	Line    int    `json:"line,omitempty"`
	Rule    string `json:"rule,omitempty"`
}

// explain prints a decision. What is denied ends with the exit code of that.
func (a *app) explain(path string, list *guard.Access, q *question) error {
	id, err := q.identity()
	if err != nil {
		return err
	}
	verb, err := q.check()
	if err != nil {
		return err
	}
	d := list.Explain(id, verb, q.channel, q.name)
	line := answerLine{Allowed: d.Allowed, Reason: d.Reason}
	word, where := "denied", ""
	if d.Allowed {
		word = "allowed"
	}
	if d.Rule != nil {
		line.Line, line.Rule = d.Rule.Line, d.Rule.String()
		where = fmt.Sprintf("\n%s:%d: %s", path, line.Line, line.Rule)
	}
	if a.output == outputJSON {
		fmt.Fprintln(a.out, mustJSON(line))
	} else {
		fmt.Fprintf(a.out, "%s: %s%s\n", word, d.Reason, where)
	}
	if !d.Allowed {
		return guard.Forbid(id, verb, q.channel, q.name)
	}
	return nil
}

// check returns the verb if the question makes sense.
func (q *question) check() (auth.Verb, error) {
	verb := auth.Verb(q.verb)
	probe := guard.Rule{Who: []string{guard.Everybody}, Verbs: []auth.Verb{verb}, Channel: q.channel, Name: q.name}
	if _, err := guard.NewAccess([]guard.Rule{probe}); err != nil || verb == "*" {
		return "", usagef("--verb %s --channel %s --name %s: %s", q.verb, q.channel, q.name, status.Convert(err).Message)
	}
	switch {
	case verb == auth.VerbAdminister:
	case q.channel == "":
		return "", usagef("%s in which --channel?", verb)
	case q.name == "" && verb != auth.VerbJoin && verb != auth.VerbOwn && verb != auth.VerbSubscribe:
		return "", usagef("%s what? Give a --name", verb)
	}
	return verb, nil
}

// identity returns who is asked about.
func (q *question) identity() (auth.Identity, error) {
	id := auth.Identity{UID: -1, GID: -1}
	if len(q.identities) == 0 {
		return id, usagef("who? Give an --identity")
	}
	for _, name := range q.identities {
		kind, rest, _ := strings.Cut(name, ":")
		n, err := strconv.Atoi(rest)
		switch {
		case (kind == "uid" || kind == "gid") && (err != nil || n < 0):
			return id, usagef("--identity %s: after %s: comes a number", name, kind)
		case kind == "uid":
			id.UID, id.HasCredentials = n, true
		case kind == "gid":
			id.GID, id.HasCredentials = n, true
		case kind == "sid":
			id.SID, id.HasCredentials = rest, true
		case id.Name != "":
			return id, usagef("%s and %s are two names: one can be proved", id.Name, name)
		default:
			id.Name = name
		}
	}
	switch {
	case id.Name != "":
	case id.SID != "":
		id.Name = "sid:" + id.SID
	case id.UID >= 0:
		id.Name = "uid:" + strconv.Itoa(id.UID)
	}
	return id, nil
}
