// SPDX-License-Identifier: Apache-2.0

package operation

// HubStats answers Stats. Counts are since the hub began, unless they say otherwise.
type HubStats struct {
	ID     string  `json:"id"`
	Uptime float64 `json:"uptime_seconds"`

	Sessions      int    `json:"sessions"`       // open now
	SessionsTotal uint64 `json:"sessions_total"` // that ever were
	Users         int    `json:"users"`          // with open sessions
	Channels      int    `json:"channels"`
	Methods       int    `json:"methods"`
	Topics        int    `json:"topics"`
	Subscriptions int    `json:"subscriptions"` // with watches

	Received Traffic `json:"received"` // by the hub, from all sessions
	Sent     Traffic `json:"sent"`

	Calls        CallStats    `json:"calls"`
	Events       MessageStats `json:"events"`
	Publications MessageStats `json:"publications"`
	Notices      MessageStats `json:"notices"`   // to those who watch channels
	Bulletins    MessageStats `json:"bulletins"` // what the hub itself publishes

	Published uint64 `json:"published"` // taken from publishers
	Malformed uint64 `json:"malformed"` // messages that did not fit their schema, where that is checked
	Limits    uint64 `json:"limits"`    // requests refused because of a limit
	Shed      uint64 `json:"shed"`      // sessions that were ended because too much waited at the hub, and most of it for them
	Unheard   uint64 `json:"unheard"`   // messages that came too long, or by routes that take none

	QueuedBytes    int `json:"queued_bytes"`     // that wait at the hub for slow members
	OutboxBytes    int `json:"outbox_bytes"`     // that wait in sessions to be written
	MaxOutboxBytes int `json:"max_outbox_bytes"` // in the one where it is most

	Goroutines  int              `json:"goroutines"`             // of the process that the hub is in
	HeapBytes   uint64           `json:"heap_bytes"`             // of the same: objects, live and not yet collected
	DeadLetters *DeadLetterStats `json:"dead_letters,omitempty"` // nil where none are kept
}

// Traffic is what sessions have carried.
type Traffic struct {
	Frames uint64 `json:"frames"`
	Bytes  uint64 `json:"bytes"`
}

// CallStats are the calls that were routed.
type CallStats struct {
	Routed uint64            `json:"routed"` // a provider was found for them
	Open   int               `json:"open"`   // now, of all members: operations, subscriptions and watches included
	Failed map[string]uint64 `json:"failed"` // by code; a call for which there is no provider is here, and not in Routed
	// Latency is that of one in 64 calls without streams, from the moment the hub has the
	// request to that at which it has the answer.
	Latency Histogram `json:"latency"`
}

// MessageStats are what became of messages of one sort: Offered = Delivered + Queued + what was
// dropped, but for the reasons nobody, undeclared, misrouted and malformed, where none was offered.
type MessageStats struct {
	Offered   uint64            `json:"offered"` // messages × receivers
	Delivered uint64            `json:"delivered"`
	Queued    uint64            `json:"queued"` // now
	Dropped   map[string]uint64 `json:"dropped"`
}

// Histogram counts durations by powers of two.
type Histogram struct {
	Samples uint64   `json:"samples"`
	P50     float64  `json:"p50_us"` // at most so many microseconds, 0 if there are no samples
	P99     float64  `json:"p99_us"`
	Buckets []uint64 `json:"buckets,omitempty"` // the n-th counts those below 2ⁿ µs that no bucket before counts
}
