// SPDX-License-Identifier: Apache-2.0

// Package quota is about limits: what one user may have together, what somebody is told who
// wants more, and who has most. It is pure: no goroutine, no lock, no clock.
package quota

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// Names of limits, as operation.Limit has them.
const (
	Sessions      = "sessions"
	Channels      = "channels"      // that a member or user is in, or that the hub has
	Members       = "members"       // of a channel
	Methods       = "methods"       // of a channel, member or user
	Topics        = "topics"        // likewise
	Subscriptions = "subscriptions" // with watches
	Schemas       = "schemas"       // bytes
	Metadata      = "metadata"      // bytes
	Calls         = "calls"         // open, subscriptions and watches included
	QueuedBytes   = "queued_bytes"
	Rate          = "rate" // messages a second
)

// Scopes of limits.
const (
	ByHub     = "hub"
	ByChannel = "channel"
	ByUser    = "user"
	ByMember  = "member"
)

// Bounds are what the sessions of one user may have together, 0 for no bound. A user is what
// has been proved of a session: "uid:1000", "cn:ops". All whose proof names nobody, "secret"
// or "anonymous", are one user.
type Bounds struct {
	Sessions      int
	Channels      int // memberships
	Subscriptions int // with watches
	Methods       int
	Topics        int
	Calls         int // open ones, subscriptions and watches included
	QueuedBytes   int // of what waits at the hub for the user's sessions
	Rate          int // calls, events, broadcasts and publications a second
}

// Check returns why one more of l.Name may not be, or nil; a Bound of 0 is none.
func Check(l operation.Limit) *status.Error {
	if l.Bound <= 0 || l.Usage < l.Bound {
		return nil
	}
	return Exceeded(l, "%s %s has %d %s and may have no more", l.Scope, l.Of, l.Usage, strings.ReplaceAll(l.Name, "_", " "))
}

// Exceeded returns the error that a limit was hit, in the words of format.
func Exceeded(l operation.Limit, format string, args ...any) *status.Error {
	details, _ := json.Marshal(l)
	return &status.Error{Code: status.LimitExceeded, Message: fmt.Sprintf(format, args...), Details: details}
}

// Of returns the limit that an error tells of.
func Of(err error) (l operation.Limit, ok bool) {
	e, ok := errors.AsType[*status.Error](err)
	if !ok || e.Code != status.LimitExceeded || len(e.Details) == 0 || json.Unmarshal(e.Details, &l) != nil {
		return operation.Limit{}, false
	}
	return l, l.Name != ""
}

// Share is how much somebody has.
type Share struct {
	Of    string
	Usage int
}

// Top returns who of all has most: at most n, without those who have nothing, for people.
func Top(all []Share, n int) string {
	slices.SortFunc(all, func(a, b Share) int {
		if a.Usage != b.Usage {
			return b.Usage - a.Usage
		}
		return strings.Compare(a.Of, b.Of)
	})
	var parts []string
	for _, s := range all[:min(n, len(all))] {
		if s.Usage > 0 {
			parts = append(parts, fmt.Sprintf("%s (%d)", s.Of, s.Usage))
		}
	}
	return strings.Join(parts, ", ")
}
