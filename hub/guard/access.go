// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Bounds of a Rule, and how many an Access has.
const (
	MaxRules    = 1 << 16
	MaxWho      = 1024 // names in one rule
	MaxWhoBytes = 512  // of one name
)

// Own stands in a Rule for the user that the hub runs as, where the kernel vouches for it, and
// for whoever is within the hub's own process.
const Own = "own"

// Rule allows something, or denies it.
type Rule struct {
	// Who are the identities it is about: a name as in "plexus members" ("uid:1000", "cn:ops",
	// "token:alice", "secret"), "gid:100" for the group that the kernel reports, Own, the
	// beginning of names and "*" ("cn:*"), or Everybody. At least one.
	Who []string
	// Verbs are what is allowed or denied, at least one. "*" is all but auth.VerbAdminister.
	Verbs []auth.Verb
	// Channel is a pattern of channels, as of package subject; "" is every channel.
	Channel string
	// Name is a pattern of methods, events and topics; "" is every name, and what concerns the
	// whole channel. With a Name a rule says nothing on join, own and administer.
	Name string
	// Deny has the rule forbid what another allows.
	Deny bool
	// Line is where it stands in its file, 0 if it comes from none.
	Line int
}

// Access is an access list. What no rule allows is forbidden, and what one denies is, whatever
// others allow: an empty Access lets nobody do anything. It is immutable and safe for
// concurrent use; nil is no list. Make one with NewAccess or ParseAccess.
//
// Rules are found by who and where, so that a question costs the same whether there are ten of
// them or ten thousand.
type Access struct {
	rules  []Rule
	exact  map[string]*table // by who
	prefix map[string]*table // by who without the '*'; "" is Everybody
	longer int               // length of the longest prefix
}

// NewAccess returns a list of rules, of which it keeps a copy. The error says what is wrong with
// one of them.
func NewAccess(rules []Rule) (*Access, error) {
	if len(rules) > MaxRules {
		return nil, status.Errorf(status.InvalidArgument, "%d rules are too many: an access list has at most %d", len(rules), MaxRules)
	}
	a := &Access{rules: slices.Clone(rules), exact: make(map[string]*table), prefix: make(map[string]*table)}
	for i := range a.rules {
		r := &a.rules[i]
		r.Who, r.Verbs = slices.Clone(r.Who), slices.Clone(r.Verbs)
		if err := r.check(); err != nil {
			return nil, status.Errorf(status.InvalidArgument, "rule %d: %s", i+1, status.Convert(err).Message)
		}
		for _, who := range r.Who {
			if err := a.tableOf(who).add(r); err != nil {
				return nil, status.Errorf(status.InvalidArgument, "rule %d: %s", i+1, status.Convert(err).Message)
			}
		}
	}
	return a, nil
}

// tableOf returns what the rules about who are in.
func (a *Access) tableOf(who string) *table {
	tables := a.exact
	if rest, ok := strings.CutSuffix(who, Everybody); ok {
		tables, who = a.prefix, rest
		a.longer = max(a.longer, len(rest))
	}
	t := tables[who]
	if t == nil {
		t = newTable()
		tables[who] = t
	}
	return t
}

// Rules returns a copy of the rules; none for nil.
func (a *Access) Rules() []Rule {
	if a == nil {
		return nil
	}
	return slices.Clone(a.rules)
}

// For returns what an identity may do, nil for everything: there is no list, and the identity
// has no bound. It takes a step per letter of the identity's names, whatever the number of rules.
func (a *Access) For(id auth.Identity) *Grants {
	if a == nil && id.Bound == nil {
		return nil
	}
	g := &Grants{listed: a != nil, bound: id.Bound, who: called(id)}
	if a == nil {
		return g
	}
	for _, name := range names(id) {
		g.add(a.exact[name])
		for n := range min(len(name), a.longer) + 1 {
			if n > 0 {
				g.add(a.prefix[name[:n]])
			}
		}
	}
	g.add(a.prefix[""])
	return g
}

// names returns all that a rule can call an identity.
func names(id auth.Identity) []string {
	var all []string
	add := func(name string) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	add(id.Name)
	if id.HasCredentials && id.SID != "" {
		add("sid:" + id.SID)
	}
	if id.HasCredentials && id.UID >= 0 {
		add("uid:" + strconv.Itoa(id.UID))
	}
	if id.HasCredentials && id.GID >= 0 {
		add("gid:" + strconv.Itoa(id.GID))
	}
	if id.Own() {
		add(Own)
	}
	return all
}

// check says what is wrong with a rule.
func (r *Rule) check() error {
	switch {
	case len(r.Who) == 0:
		return status.Errorf(status.InvalidArgument, `it says nobody: name who, "*" is everybody`)
	case len(r.Who) > MaxWho:
		return status.Errorf(status.InvalidArgument, "it names %d identities, %d are possible", len(r.Who), MaxWho)
	case len(r.Verbs) == 0:
		return status.Errorf(status.InvalidArgument, `it allows and denies nothing: name verbs, "*" is all but administer`)
	}
	for _, who := range r.Who {
		if err := checkWho(who); err != nil {
			return err
		}
	}
	for _, v := range r.Verbs {
		if err := r.checkVerb(v); err != nil {
			return err
		}
	}
	if r.Channel != "" {
		if err := subject.ValidatePattern(r.Channel); err != nil {
			return err
		}
	}
	if r.Name != "" {
		return subject.ValidatePattern(r.Name)
	}
	return nil
}

// checkVerb refuses verbs that do not exist, or on which the rule could have no effect.
func (r *Rule) checkVerb(v auth.Verb) error {
	switch {
	case v != auth.VerbAny && !slices.Contains(auth.Verbs(), v):
		return status.Errorf(status.InvalidArgument, `there is no verb %q: it is one of %s, or "*"`, v, verbList())
	case r.Name != "" && wholeChannel.has(v):
		return status.Errorf(status.InvalidArgument, "%s concerns a whole channel: it goes into a rule without a name", v)
	case r.Channel != "" && v == auth.VerbAdminister:
		return status.Errorf(status.InvalidArgument, "administer concerns the whole hub: it goes into a rule without a channel")
	}
	return nil
}

func verbList() string {
	var all []string
	for _, v := range auth.Verbs() {
		all = append(all, string(v))
	}
	return strings.Join(all, ", ")
}

// checkWho refuses what can be no identity, and what looks like a pattern and would not be one.
func checkWho(who string) error {
	switch {
	case who == "":
		return status.Errorf(status.InvalidArgument, "an identity is empty")
	case len(who) > MaxWhoBytes:
		return status.Errorf(status.InvalidArgument, "an identity has %d bytes, %d are possible", len(who), MaxWhoBytes)
	case strings.Contains(who[:len(who)-1], "*"):
		return status.Errorf(status.InvalidArgument, "%q: the '*' of an identity stands at its end", who)
	}
	for _, r := range who {
		if !strconv.IsPrint(r) {
			return status.Errorf(status.InvalidArgument, "%q: an identity holds no such characters", who)
		}
	}
	return nil
}
