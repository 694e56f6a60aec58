// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"encoding/json"
	"time"
)

// What the hub itself publishes on Channel, for those who may read it. A topic is a class and
// a type, such as "events.join"; payloads are JSON: a LogLine, a Fault or an Event. Nobody
// but the hub can publish there.
const (
	TopicLogs   = "logs"   // logs.debug, logs.info, logs.warn, logs.error: LogLine
	TopicErrors = "errors" // errors.misfit …: Fault, see the Fault constants
	TopicEvents = "events" // events.join …: Event, see the Event and Notice constants
)

// LogLine is a line of the hub's log.
type LogLine struct {
	Time    time.Time      `json:"time"`
	Level   string         `json:"level"` // debug, info, warn or error
	Message string         `json:"message"`
	Attrs   map[string]any `json:"attrs,omitempty"`
	Held    uint64         `json:"held,omitempty"` // so many lines of the level were left out before, because they were too many
}

// Fault is a failure that nobody waits for: there is no caller to be told.
type Fault struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	Member   string    `json:"member"` // whose message it was
	Identity string    `json:"identity,omitempty"`
	Channel  string    `json:"channel,omitempty"`
	Name     string    `json:"name,omitempty"`
	Code     string    `json:"code"`
	Reason   string    `json:"reason"`
	Closed   bool      `json:"closed,omitempty"` // the member's session was ended for it
	Held     uint64    `json:"held,omitempty"`   // so many faults of the type were left out before
}

// Types of Fault.
const (
	FaultMisfit     = "misfit"     // a message does not fit its schema
	FaultOrphan     = "orphan"     // an event or broadcast found nobody any more
	FaultUnwanted   = "unwanted"   // its receiver has nobody for an event
	FaultUndeclared = "undeclared" // a publication on a topic that is declared no more
)

// Event is something that has happened at the hub. Type is one of the Notice constants (but
// NoticeGap), whose fields mean the same here, or of the Event constants.
type Event struct {
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	Channel  string    `json:"channel,omitempty"`
	Member   string    `json:"member,omitempty"`
	Identity string    `json:"identity,omitempty"`
	Address  string    `json:"address,omitempty"`
	Name     string    `json:"name,omitempty"` // of a method, topic or event; the pattern of a subscription
	By       string    `json:"by,omitempty"`   // who asked for it
	Code     string    `json:"code,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Dropped  uint64    `json:"dropped,omitempty"` // messages, with EventDrop
	Limit    *Limit    `json:"limit,omitempty"`   // with EventLimit
	Held     uint64    `json:"held,omitempty"`    // so many events of the type were left out before
}

// Types of Event that are no Notice.
const (
	EventConnect    = "connect"    // a session has begun
	EventDisconnect = "disconnect" // it has ended: Code and Reason say why
	EventEvict      = "evict"      // By has removed Member from Channel, or from the hub if that is ""
	EventDrop       = "drop"       // messages for Member were dropped: it is too slow for Channel and Name
	EventLimit      = "limit"      // something was refused because of a limit
	EventAccess     = "access"     // another access list is in force
)

// Limit says which limit was hit. It is what the details of status.LimitExceeded are, as JSON.
type Limit struct {
	Name  string `json:"limit"`        // such as "subscriptions"
	Scope string `json:"scope"`        // of whom: "hub", "channel", "user", "member", "server" or "session"
	Of    string `json:"of,omitempty"` // which of them, such as "uid:1000"
	Usage int    `json:"usage"`        // how much is used
	Bound int    `json:"bound"`        // and how much may be
	// RetryAfter is how long to wait, in seconds, 0 where waiting is of no use.
	RetryAfter float64 `json:"retry_after_seconds,omitempty"`
}

// Message is an event for one session, whatever channels it is in: it gets it on Channel, from
// the hub.
type Message struct {
	Member  string          `json:"member"`
	Name    string          `json:"name"`
	Payload json.RawMessage `json:"payload,omitempty"` // one JSON value
}
