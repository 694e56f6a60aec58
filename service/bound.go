// SPDX-License-Identifier: Apache-2.0

package service

import (
	"slices"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// mayBind returns why the peer of a session may not use a route, or nil: what has been proved
// of it may bound it, as a token does. It is asked once per route. Operations look for
// themselves.
func mayBind(s *session.Session, b *session.Bind) error {
	if s == nil || b.Channel == operation.Channel {
		return nil
	}
	verb := auth.VerbCall
	if b.Class == session.ClassTopic {
		verb = auth.VerbPublish
	}
	id := s.Peer().Identity
	if id.Bound == nil || slices.ContainsFunc(*id.Bound, func(r auth.Right) bool { return r.Allows(verb, b.Channel, b.Name) }) {
		return nil
	}
	return beyond(&id, verb, key{b.Channel, b.Name})
}

// maySubscribe is mayBind for a pattern, all of which must be allowed.
func maySubscribe(id auth.Identity, channel, pattern string) error {
	want := auth.Right{Verbs: []auth.Verb{auth.VerbSubscribe}, Name: pattern}
	covers := func(r auth.Right) bool {
		there := r.Allows(auth.VerbSubscribe, channel, "")
		r.Channel = "" // that it is this channel has been seen
		return there && r.Covers(&want)
	}
	if id.Bound == nil || slices.ContainsFunc(*id.Bound, covers) {
		return nil
	}
	return beyond(&id, auth.VerbSubscribe, key{channel, pattern})
}

// mayExplore is mayBind for what there is in a channel, of which those learn who have any right in it.
func mayExplore(id auth.Identity, channel string) error {
	any := func(r auth.Right) bool {
		return slices.ContainsFunc(auth.Verbs(), func(v auth.Verb) bool { return v != auth.VerbAdminister && r.Allows(v, channel, "") })
	}
	if id.Bound == nil || slices.ContainsFunc(*id.Bound, any) {
		return nil
	}
	return status.Errorf(status.PermissionDenied, "%s may do nothing in the channel %q: it was not given any right there", id.Name, channel)
}

func beyond(id *auth.Identity, verb auth.Verb, k key) error {
	return status.Errorf(status.PermissionDenied, "%s may not %s %s: it was not given that right", id.Name, verb, k)
}
