// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"
	"strings"
)

// Covers reports whether r allows all that o allows.
func (r *Right) Covers(o *Right) bool {
	return !slices.ContainsFunc(o.Verbs, func(v Verb) bool { return !r.coversVerb(v) }) &&
		coversPattern(r.Channel, o.Channel) && coversPattern(r.Name, o.Name)
}

func (r *Right) coversVerb(v Verb) bool {
	return slices.Contains(r.Verbs, v) || v != VerbAdminister && slices.Contains(r.Verbs, VerbAny)
}

// CoversAll reports whether each verb of each of narrow is allowed, wherever narrow allows it,
// by one of wide. What only several of wide cover together counts as not covered, so the
// answer errs on the safe side.
func CoversAll(wide, narrow []Right) bool {
	return !slices.ContainsFunc(narrow, func(n Right) bool { return !coveredBy(wide, &n) })
}

func coveredBy(wide []Right, n *Right) bool {
	return !slices.ContainsFunc(n.Verbs, func(v Verb) bool {
		one := Right{Verbs: []Verb{v}, Channel: n.Channel, Name: n.Name}
		return !slices.ContainsFunc(wide, func(w Right) bool { return w.Covers(&one) })
	})
}

// Meet returns rights that allow nothing which a or b does not: of each list those that the
// other covers.
func Meet(a, b []Right) []Right {
	both := []Right{}
	for _, r := range a {
		if coveredBy(b, &r) {
			both = append(both, r)
		}
	}
	for _, r := range b {
		if coveredBy(a, &r) {
			both = append(both, r)
		}
	}
	return both
}

// coversPattern reports whether every name that matches narrow matches wide. "" is every
// name, also the empty one of direct use.
func coversPattern(wide, narrow string) bool {
	if wide == "" || wide == narrow {
		return true
	}
	if narrow == "" {
		return false
	}
	ws, ns := strings.Split(wide, "."), strings.Split(narrow, ".")
	for i, w := range ws {
		switch {
		case w == ">":
			return len(ns) > i
		case i >= len(ns) || ns[i] == ">":
			return false
		case w != "*" && w != ns[i]:
			return false
		}
	}
	return len(ns) == len(ws)
}
