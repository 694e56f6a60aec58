// SPDX-License-Identifier: Apache-2.0

package operation

// Receipt answers an acknowledged publication: a call of a topic. A receiver is a
// subscription whose pattern matched; it has got the publication when its program has taken
// it, which its session says. A member with several such subscriptions is there several times.
type Receipt struct {
	Matched   int `json:"matched"`   // receivers there were, 0 if nobody had subscribed
	Delivered int `json:"delivered"` // those who got it
	// Receivers are the members who got it, Missed those who did not: the first MaxReceivers
	// of each.
	Receivers []string `json:"receivers,omitempty"`
	Missed    []Miss   `json:"missed,omitempty"`
	// DeadLettered is how many dead letters were made of the publication: for each receiver that
	// missed it, or one if nobody had subscribed. They are on the hub's disk when this is told.
	DeadLettered int `json:"dead_lettered,omitempty"`
}

// MaxReceivers is how many receivers of each sort a Receipt names.
const MaxReceivers = 1000

// Complete reports whether there was anybody, and all got it.
func (r *Receipt) Complete() bool { return r.Matched > 0 && r.Delivered == r.Matched }

// Miss is a receiver that did not get a publication.
type Miss struct {
	Member string `json:"member"`
	Reason string `json:"reason"` // a reason of HubStatus.Dropped, or MissDeadline
	// DeadLettered: the hub has kept the publication for the member, on its disk.
	DeadLettered bool `json:"dead_lettered,omitempty"`
}

// String returns who missed it and why, and whether it is kept.
func (m Miss) String() string {
	if m.DeadLettered {
		return "{" + m.Member + " " + m.Reason + ", dead-lettered}"
	}
	return "{" + m.Member + " " + m.Reason + "}"
}

// MissDeadline: the receiver has not said in time that it took the publication. It may have,
// or may still.
const MissDeadline = "deadline"
