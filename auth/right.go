// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"

	"github.com/plexus-ipc/plexus/subject"
)

// Verb is something that a member does, as far as somebody may decide about it.
type Verb string

// The verbs. Whoever may do anything in a channel may join it.
const (
	VerbJoin       Verb = "join"       // be a member of a channel, see who else is and what they offer
	VerbProvide    Verb = "provide"    // serve a method
	VerbCall       Verb = "call"       // call a method, open its stream, send an event or broadcast
	VerbDeclare    Verb = "declare"    // allow publications on a topic
	VerbPublish    Verb = "publish"    // publish on a topic
	VerbSubscribe  Verb = "subscribe"  // get what is published
	VerbOwn        Verb = "own"        // become the owner of a channel: make it, remove members, set its password
	VerbAdminister Verb = "administer" // remove anybody, write to anybody, read what the hub publishes
)

// VerbAny stands for all verbs but VerbAdminister in a Right or a rule.
const VerbAny Verb = "*"

// Verbs returns all verbs.
func Verbs() []Verb {
	return []Verb{VerbJoin, VerbProvide, VerbCall, VerbDeclare, VerbPublish, VerbSubscribe, VerbOwn, VerbAdminister}
}

// Right allows some verbs on some names in some channels.
type Right struct {
	// Verbs are what is allowed; none allows nothing, "*" all but VerbAdminister.
	Verbs []Verb `json:"verbs"`
	// Channel is a pattern of channels as of package subject; "" is every channel.
	Channel string `json:"channel,omitempty"`
	// Name is a pattern of methods, events and topics; "" is every name. With a Name the right
	// gives nothing that concerns a whole channel, VerbOwn above all, and with a Channel or Name
	// nothing that concerns the whole hub, which is VerbAdminister.
	Name string `json:"name,omitempty"`
}

// Allows reports whether r allows verb on a name in a channel; name is "" for what concerns
// the whole channel.
func (r *Right) Allows(verb Verb, channel, name string) bool {
	switch {
	case verb == VerbOwn && r.Name != "", verb == VerbAdminister && (r.Channel != "" || r.Name != ""):
		return false // who may do something with one name is not to have all of the channel by it
	}
	if !slices.Contains(r.Verbs, verb) && (verb == VerbAdminister || !slices.Contains(r.Verbs, VerbAny)) {
		return false
	}
	return (r.Channel == "" || subject.Match(r.Channel, channel)) &&
		(r.Name == "" || name == "" || subject.Match(r.Name, name))
}
