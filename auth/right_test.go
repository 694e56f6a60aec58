// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"testing"

	"github.com/plexus-ipc/plexus/auth"
)

func TestRight(t *testing.T) {
	for _, c := range []struct {
		right         auth.Right
		verb          auth.Verb
		channel, name string
		want          bool
	}{
		{auth.Right{}, auth.VerbJoin, "math", "", false},
		{auth.Right{Verbs: []auth.Verb{"*"}}, auth.VerbCall, "math", "add", true},
		{auth.Right{Verbs: []auth.Verb{"*"}}, auth.VerbAdminister, "math", "", false},
		{auth.Right{Verbs: []auth.Verb{auth.VerbAdminister}}, auth.VerbAdminister, "", "", true},
		{auth.Right{Verbs: []auth.Verb{auth.VerbCall}}, auth.VerbProvide, "math", "add", false},
		{auth.Right{Verbs: []auth.Verb{auth.VerbCall}, Channel: "math.*"}, auth.VerbCall, "math", "add", false},
		{auth.Right{Verbs: []auth.Verb{auth.VerbCall}, Channel: "math.*"}, auth.VerbCall, "math.int", "add", true},
		{auth.Right{Verbs: []auth.Verb{auth.VerbCall}, Name: "add.>"}, auth.VerbCall, "math", "add.two", true},
		{auth.Right{Verbs: []auth.Verb{auth.VerbCall}, Name: "add.>"}, auth.VerbCall, "math", "sub", false},
		{auth.Right{Verbs: []auth.Verb{auth.VerbOwn}, Channel: "math"}, auth.VerbOwn, "math", "", true},
		{auth.Right{Verbs: []auth.Verb{auth.VerbOwn}, Name: "add"}, auth.VerbOwn, "math", "", false},
		{auth.Right{Verbs: []auth.Verb{"*"}, Channel: "math", Name: "add"}, auth.VerbOwn, "math", "", false},
		{auth.Right{Verbs: []auth.Verb{"*"}, Channel: "math", Name: "add"}, auth.VerbCall, "math", "add", true},
		{auth.Right{Verbs: []auth.Verb{auth.VerbAdminister}, Channel: "math"}, auth.VerbAdminister, "", "", false},
		{auth.Right{Verbs: []auth.Verb{auth.VerbAdminister}, Channel: ">"}, auth.VerbAdminister, "math", "", false},
		{auth.Right{Verbs: []auth.Verb{auth.VerbAdminister}, Name: "add"}, auth.VerbAdminister, "", "", false},
	} {
		if got := c.right.Allows(c.verb, c.channel, c.name); got != c.want {
			t.Errorf("%+v allows %s %s/%s: %v, want %v", c.right, c.verb, c.channel, c.name, got, c.want)
		}
	}
}

func TestVerbs(t *testing.T) {
	all := auth.Right{Verbs: auth.Verbs()}
	for _, v := range auth.Verbs() {
		if !all.Allows(v, "any", "thing") {
			t.Errorf("all verbs do not allow %s", v)
		}
	}
}
