// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"encoding/json"
	"time"
)

// The operations on dead letters: messages that nobody got and that the hub has kept. They are
// for administrators, and status.Unimplemented where the hub keeps none.
const (
	ListDeadLetters   = "list_dead_letters"   // DeadLetterQuery -> DeadLetterList
	ShowDeadLetter    = "show_dead_letter"    // DeadLetterRef -> DeadLetter, with the payload
	ReplayDeadLetters = "replay_dead_letters" // DeadLetterReplay -> DeadLetterReplayed
	PurgeDeadLetters  = "purge_dead_letters"  // DeadLetterFilter -> DeadLetterPurged
)

// Headers of a dead letter that is sent again, by the hub and in its own name.
const (
	// HeaderDeadLetter tells which attempt it is: "2" for the first time that it is replayed.
	HeaderDeadLetter = "plexus-dead-letter"
	// HeaderDeadLetterSender is the id of the member that sent it the first time.
	HeaderDeadLetterSender = "plexus-dead-letter-sender"
)

// Kinds of dead letters.
const (
	KindPublication = "publication"
	KindEvent       = "event"
	KindBroadcast   = "broadcast"
	KindCall        = "call"
)

// Reasons of dead letters, besides those of HubStatus.Dropped.
const (
	ReasonNoSubscriber = "no_subscriber" // a publication that nobody had subscribed to
	ReasonDrain        = "drain"         // it waited when the hub ended
	ReasonAttempts     = "attempts"      // a call whose provider died as often as a call is sent again
	ReasonExpired      = "expired"       // a call whose time was up while it waited for a provider
)

// Bounds of the operations.
const (
	MaxDeadLetterPage   = 1000 // letters of a DeadLetterList, and ids of a filter
	MaxDeadLetterReplay = 1000 // letters that one ReplayDeadLetters sends
)

// DeadLetter is a message that was kept because a receiver missed it.
type DeadLetter struct {
	ID       uint64            `json:"id"`   // ascending in the order in which they were kept
	Time     time.Time         `json:"time"` // when it was missed
	Kind     string            `json:"kind"` // see the Kind constants
	Channel  string            `json:"channel"`
	Name     string            `json:"name"`
	Sender   string            `json:"sender"`             // the id of the member
	Identity string            `json:"identity,omitempty"` // and who that was
	Receiver string            `json:"receiver,omitempty"` // the id of the member who missed it; "" if there was none
	Reason   string            `json:"reason"`
	Attempts int               `json:"attempts"` // so many times it was tried, at least 1
	Codec    uint8             `json:"codec"`
	Headers  map[string]string `json:"headers,omitempty"`
	Size     int               `json:"size"` // bytes of the payload

	// Value is a payload that is JSON, Data any other; only ShowDeadLetter tells them.
	Value json.RawMessage `json:"value,omitempty"`
	Data  []byte          `json:"data,omitempty"`
}

// DeadLetterFilter chooses dead letters: those for which all that is set is true.
type DeadLetterFilter struct {
	IDs       []uint64 `json:"ids,omitempty"`     // at most MaxDeadLetterPage
	Channel   string   `json:"channel,omitempty"` // a name or pattern
	Name      string   `json:"name,omitempty"`    // a name or pattern
	Kind      string   `json:"kind,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Sender    string   `json:"sender,omitempty"`
	Receiver  string   `json:"receiver,omitempty"`
	OlderThan float64  `json:"older_than_seconds,omitempty"`
	All       bool     `json:"all,omitempty"` // what a filter that chooses everything must say, to purge or replay
}

// Chooses reports whether anything but All is set.
func (f *DeadLetterFilter) Chooses() bool {
	return len(f.IDs) > 0 || f.Channel != "" || f.Name != "" || f.Kind != "" || f.Reason != "" || f.Sender != "" || f.Receiver != "" || f.OlderThan > 0
}

// DeadLetterQuery asks for a page of dead letters, the oldest first.
type DeadLetterQuery struct {
	DeadLetterFilter
	After uint64 `json:"after,omitempty"` // those with greater ids
	Limit int    `json:"limit,omitempty"` // at most MaxDeadLetterPage; 0 is 100
}

// DeadLetterList answers a DeadLetterQuery, without payloads.
type DeadLetterList struct {
	Letters []DeadLetter    `json:"letters"`
	Next    uint64          `json:"next,omitempty"` // ask for those After it; 0: there are no more
	Stats   DeadLetterStats `json:"stats"`
}

// DeadLetterRef names a dead letter.
type DeadLetterRef struct {
	ID uint64 `json:"id"`
}

// DeadLetterReplay asks that dead letters are sent again.
type DeadLetterReplay struct {
	DeadLetterFilter
	// Everybody sends to whoever takes messages of the name now; else a letter goes to the member
	// that missed it, and only if that was nobody to all who have subscribed since.
	Everybody bool `json:"everybody,omitempty"`
	Limit     int  `json:"limit,omitempty"` // at most MaxDeadLetterReplay, which is 0, too
}

// DeadLetterReplayed answers a DeadLetterReplay. What was sent is removed.
type DeadLetterReplayed struct {
	Sent   int                 `json:"sent"`
	Failed []DeadLetterFailure `json:"failed,omitempty"` // they are kept
}

// DeadLetterFailure says why a dead letter was not sent.
type DeadLetterFailure struct {
	ID     uint64 `json:"id"`
	Reason string `json:"reason"`
}

// DeadLetterPurged answers a purge.
type DeadLetterPurged struct {
	Removed int `json:"removed"`
}

// DeadLetterStats are counts of dead letters: since the hub began, unless they say otherwise.
type DeadLetterStats struct {
	Kept     uint64            `json:"kept"`           // written to the disk
	Lost     map[string]uint64 `json:"lost,omitempty"` // that could not be kept: queue_full, closed, store, too_large
	Waiting  int               `json:"waiting"`        // now, to be written
	Replayed uint64            `json:"replayed"`
	Purged   uint64            `json:"purged"`
	DeadLetterStore
}

// DeadLetterStore is what a store tells of itself.
type DeadLetterStore struct {
	Records     int    `json:"records"` // now
	Bytes       int64  `json:"bytes"`   // of them
	FileBytes   int64  `json:"file_bytes"`
	Retired     uint64 `json:"retired"`          // removed because they were too old, too many, or too much
	Quarantined uint64 `json:"quarantined"`      // found damaged: put aside, or no longer readable
	Failed      string `json:"failed,omitempty"` // why nothing can be kept at present
}
