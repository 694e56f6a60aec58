// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"testing"

	"github.com/plexus-ipc/plexus/auth"
)

// A token for one name in a channel does not make its holder the owner of that channel, and one
// that says administer of a channel does not make him administrator of the hub.
func TestBoundOfOneName(t *testing.T) {
	bound := []auth.Right{{Verbs: []auth.Verb{"*"}, Channel: "jobs", Name: "run"}, {Verbs: []auth.Verb{auth.VerbAdminister}, Channel: "jobs"}}
	var none *Access
	g := none.For(auth.Identity{Name: "token:a", Bound: &bound})
	if g.Administers() != Forbidden {
		t.Error("he administers the hub")
	}
	for verb, want := range map[auth.Verb]bool{auth.VerbOwn: false, auth.VerbJoin: true} {
		if g.May(verb, "jobs", "") != want {
			t.Errorf("%s: %v", verb, !want)
		}
	}
	if !g.May(auth.VerbCall, "jobs", "run") || g.May(auth.VerbCall, "jobs", "stop") {
		t.Error("the name is not kept to")
	}
	id := auth.Identity{Name: "token:a", Bound: &bound}
	if d := none.Explain(id, auth.VerbOwn, "jobs", ""); d.Allowed {
		t.Error(d.Reason)
	}
}
