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

// Forbid is what somebody is told who may not do something. It tells nothing of the list, and
// is the same whether there is such a channel and name or not.
func Forbid(id auth.Identity, verb auth.Verb, channel, name string) *status.Error {
	what := quoted(channel)
	if name != "" {
		what += "/" + quoted(name)
	}
	return status.Errorf(status.PermissionDenied, "%s may not %s %s: the hub's access list, or the token, does not allow it", called(id), verb, what)
}

// NoRights is what somebody is told, at the end of the session, who may do nothing at all.
func NoRights(id auth.Identity) *status.Error {
	return status.Errorf(status.PermissionDenied, "%s has no rights at this hub: its access list names others", called(id))
}

// quoted returns a name that comes from a peer as it can be shown.
func quoted(name string) string {
	if subject.ValidatePattern(name) == nil {
		return name
	}
	return strconv.Quote(name[:min(len(name), subject.MaxLength)])
}

// Decision is why something is allowed, or not.
type Decision struct {
	Allowed bool
	// Rule is the one that decides, nil if none allows it or the bound of the identity does not.
	Rule *Rule
	// Reason is one sentence.
	Reason string
}

// Explain decides as Grants.May and Grants.Administers do, by reading rule after rule, and says
// which of them decides: the first that denies, else the first that allows.
func (a *Access) Explain(id auth.Identity, verb auth.Verb, channel, name string) Decision {
	g := a.For(id)
	if g != nil && g.bound != nil && (verb == auth.VerbAdminister && g.Administers() == Forbidden || verb != auth.VerbAdminister && !g.within(verb, channel, name)) {
		return Decision{Reason: "the token of " + called(id) + " does not allow it"}
	}
	if a == nil {
		return Decision{Allowed: true, Reason: "there is no access list"}
	}
	if verb == auth.VerbJoin {
		return a.explainJoin(id, channel)
	}
	if verb == auth.VerbAdminister && id.Own() {
		return Decision{Allowed: true, Reason: "the hub's own user always administers it"}
	}
	all := names(id)
	for i := range a.rules {
		r := &a.rules[i]
		if r.Deny && r.about(all) && (r.says(verb, channel, name) || verb != auth.VerbAdminister && r.says(auth.VerbJoin, channel, name)) {
			return Decision{Rule: r, Reason: "a rule denies it"}
		}
	}
	for i := range a.rules {
		if r := &a.rules[i]; !r.Deny && r.about(all) && r.says(verb, channel, name) {
			return Decision{Allowed: true, Rule: r, Reason: "a rule allows it"}
		}
	}
	return Decision{Reason: "no rule allows it"}
}

// explainJoin is Explain for joining, which any right in the channel allows that is left.
func (a *Access) explainJoin(id auth.Identity, channel string) Decision {
	all := names(id)
	var denies []*Rule
	for i := range a.rules {
		r := &a.rules[i]
		if !r.Deny || !r.about(all) {
			continue
		}
		if r.says(auth.VerbJoin, channel, "") {
			return Decision{Rule: r, Reason: "a rule denies it"}
		}
		denies = append(denies, r)
	}
	for i := range a.rules {
		r := &a.rules[i]
		if r.Deny || !r.about(all) {
			continue
		}
		for _, v := range auth.Verbs() {
			if v == auth.VerbAdminister || !r.says(v, channel, "") {
				continue
			}
			if !slices.ContainsFunc(denies, func(d *Rule) bool { return d.says(v, channel, "") }) {
				return Decision{Allowed: true, Rule: r, Reason: "a rule allows to " + string(v) + " there, and with that to join"}
			}
		}
	}
	return Decision{Reason: "no rule allows anything there"}
}

// about reports whether r names one of these.
func (r *Rule) about(names []string) bool {
	return slices.ContainsFunc(r.Who, func(who string) bool {
		if rest, ok := strings.CutSuffix(who, Everybody); ok {
			return rest == "" || slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, rest) })
		}
		return slices.Contains(names, who)
	})
}

// says reports whether r allows or denies verb on a name in a channel. For the name "" a rule
// that allows it for one name does, and one that denies must deny it for all.
func (r *Rule) says(verb auth.Verb, channel, name string) bool {
	var s verbs
	for _, v := range r.Verbs {
		s |= setOf(v)
	}
	if r.Name != "" {
		s &= named
	}
	if !s.has(verb) {
		return false
	}
	if verb == auth.VerbAdminister {
		return true
	}
	if r.Channel != "" && !subject.Match(r.Channel, channel) {
		return false
	}
	switch {
	case r.Name == "":
		return true
	case name == "":
		return !r.Deny || r.Name == everywhere
	}
	return subject.Match(r.Name, name)
}

// String writes a rule on one line.
func (r *Rule) String() string {
	word := "allow"
	if r.Deny {
		word = "deny"
	}
	var list []string
	for _, v := range r.Verbs {
		list = append(list, string(v))
	}
	where := "everywhere"
	if r.Channel != "" {
		where = "in " + r.Channel
	}
	if r.Name != "" {
		where += " on " + r.Name
	}
	return word + " " + strings.Join(r.Who, ", ") + " to " + strings.Join(list, ", ") + " " + where
}
