// SPDX-License-Identifier: Apache-2.0

// Package guard answers the hub's question: may he? It judges what a member asks for by
// itself, before anybody looks who is there: names, sizes and forms, all of which come
// from a peer; and it judges who may do what: passwords, and access lists.
//
// It is pure: no goroutine, no lock, no clock. Errors are *status.Error values.
package guard

import (
	"encoding/json"
	"time"

	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/wire"
)

// Limits of the request of an operation, without the schemas that some carry.
const (
	MaxRequest = 16 << 10 // bytes
	MaxDepth   = 4        // of nesting
)

// limits returns those of one operation.
func limits(name string) (bytes, depth int) {
	switch name {
	case operation.Provide, operation.Declare:
		return MaxRequest + 2*jsonschema.MaxBytes, 1 + jsonschema.MaxDepth
	case operation.Link:
		return 1 << 20, MaxDepth + 1
	}
	return MaxRequest, MaxDepth
}

// jsonCodec is codec.IDJSON, the codec of operations.
const jsonCodec = 1

// invalid turns what subject says into a status.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return status.Errorf(status.InvalidArgument, "%w", err)
}

// Route judges the names in the meaning of a route that does not lead to an operation.
func Route(b wire.Bind) error {
	err := subject.ValidateChannel(b.Channel)
	if err == nil && b.Class == wire.ClassTopic {
		err = subject.ValidateTopic(b.Name)
	} else if err == nil {
		err = subject.ValidateMethod(b.Name)
	}
	if err == nil && b.Target != "" {
		err = subject.ValidateMember(b.Target)
	}
	return invalid(err)
}

// Newcomer judges what a peer says of itself: the id it wants ("" for any), and the size of
// its product and metadata together.
func Newcomer(id, product string, metadata map[string]string, maxMetadata int) error {
	size := len(product)
	for k, v := range metadata {
		size += len(k) + len(v)
	}
	if size > maxMetadata {
		return quota.Exceeded(operation.Limit{Name: quota.Metadata, Scope: quota.ByMember, Of: id, Usage: size, Bound: maxMetadata},
			"product and metadata have %d bytes, the hub takes %d", size, maxMetadata)
	}
	if id == "" {
		return nil
	}
	return invalid(subject.ValidateMember(id))
}

// Named judges the name of a channel that an operation is about.
func Named(channel string) error { return invalid(subject.ValidateChannel(channel)) }

// Watch judges a request to watch a channel, or all: "".
func Watch(in *operation.Place) error {
	if in.Channel == "" {
		return nil
	}
	return invalid(subject.ValidateChannel(in.Channel))
}

// Eviction words why somebody is removed from a channel: for the reason that its owner gives,
// as far as it has a sensible length.
func Eviction(owner, reason string) string {
	if reason == "" {
		return "removed by the owner, " + owner
	}
	return "removed by the owner, " + owner + ": " + reason[:min(len(reason), 1024)]
}

// Removal words why an administrator removes somebody; nobody's name is that of the program
// itself that the hub is in.
func Removal(by, reason string) string {
	why := "removed by the hub's administrator"
	if by != "" {
		why += ", " + by
	}
	if reason != "" {
		why += ": " + reason[:min(len(reason), 1024)]
	}
	return why
}

// Bounds are the most that a subscription may ask for.
type Bounds struct {
	Queue, Bytes int
	Block        time.Duration
}

// Subscription judges a request to subscribe and fills in the defaults of its policies.
func Subscription(in *operation.Subscription, most Bounds) error {
	var err error
	if in.Channel != operation.Channel { // what the hub itself publishes: see Rights.Read
		err = subject.ValidateChannel(in.Channel)
	}
	if err == nil {
		err = subject.ValidatePattern(in.Pattern)
	}
	if err != nil {
		return invalid(err)
	}
	if in.Queue < 0 || in.Queue > most.Queue {
		return status.Errorf(status.InvalidArgument, "a queue of %d messages: 0 to %d are possible", in.Queue, most.Queue)
	}
	if in.QueueBytes < 0 || in.QueueBytes > most.Bytes {
		return status.Errorf(status.InvalidArgument, "a queue of %d bytes: 0 to %d are possible", in.QueueBytes, most.Bytes)
	}
	if in.Replay < 0 || !sensible(in.ReplayAge) {
		return status.Errorf(status.InvalidArgument, "a replay of %d values and %v seconds: neither can be less than 0", in.Replay, in.ReplayAge)
	}
	if in.Policy == operation.Block {
		return blocking(in, most.Block)
	}
	if in.Block != 0 || in.OnBlock != "" {
		return status.Errorf(status.InvalidArgument, "block_seconds and on_block are for the policy %s", operation.Block)
	}
	return policy(&in.Policy, "policy", operation.Block)
}

// blocking judges a subscription that holds up publishers.
func blocking(in *operation.Subscription, most time.Duration) error {
	if in.Block == 0 {
		in.Block = most.Seconds()
	}
	if !sensible(in.Block) || in.Block > most.Seconds() {
		return status.Errorf(status.InvalidArgument, "publishers may be held up for %v, not for %v seconds", most, in.Block)
	}
	return policy(&in.OnBlock, "on_block", "")
}

// policy judges a policy and fills in the default; other is one more that is possible.
func policy(p *string, what, other string) error {
	switch *p {
	case "":
		*p = operation.DropOldest
	case operation.DropOldest, operation.DropNewest, operation.Disconnect:
	default:
		if other != "" {
			other = ", " + other
		}
		return status.Errorf(status.InvalidArgument, "unknown %s %q: it is one of %s, %s, %s%s",
			what, *p, operation.DropOldest, operation.DropNewest, operation.Disconnect, other)
	}
	return nil
}

// Topic judges what a topic is to keep.
func Topic(in *operation.Topic) error {
	if in.Keep < 0 || !sensible(in.KeepAge) {
		return status.Errorf(status.InvalidArgument, "a topic cannot keep %d values of %v seconds: neither can be less than 0", in.Keep, in.KeepAge)
	}
	return nil
}

// sensible reports whether a number of seconds is a time: up to a hundred years.
func sensible(seconds float64) bool { return seconds >= 0 && seconds <= 100*365*24*3600 }

// Request judges the form of an operation's request and decodes it.
func Request(name string, codec uint8, payload []byte, in any) error {
	most, nested := limits(name)
	switch {
	case len(payload) == 0:
		return nil
	case codec != jsonCodec:
		return status.Errorf(status.InvalidArgument, "the operation %s takes JSON (codec %d), not codec %d", name, jsonCodec, codec)
	case len(payload) > most:
		return status.Errorf(status.TooLarge, "the request of %s has %d bytes, %d are allowed", name, len(payload), most)
	case depth(payload) > nested:
		return status.Errorf(status.InvalidArgument, "the request of %s nests deeper than %d", name, nested)
	}
	if err := json.Unmarshal(payload, in); err != nil {
		return status.Errorf(status.InvalidArgument, "the request of %s is malformed: %w", name, err)
	}
	return nil
}

// depth returns how deep the brackets outside strings nest.
func depth(p []byte) (deepest int) {
	open, quoted, escaped := 0, false, false
	for _, c := range p {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			open++
			deepest = max(deepest, open)
		case c == '}' || c == ']':
			open--
		}
	}
	return deepest
}
