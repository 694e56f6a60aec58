// SPDX-License-Identifier: Apache-2.0

package operation

import "encoding/json"

// Sharing is how a method is shared by several providers, and what each takes: a part of
// Offer, where it speaks of one provider, and of MethodInfo, where it speaks of all of them.
type Sharing struct {
	// Group is the name that all providers of the method have to give; "" for a method with
	// one provider.
	Group string `json:"group,omitempty"`
	// Balance says who gets a call: see the constants. "" in an Offer is LeastActive, or what
	// the group has already.
	Balance string `json:"balance,omitempty"`
	// Capacity is how many calls at a time the provider takes, 0 for any number; in MethodInfo
	// that of all of them, 0 if one takes any number.
	Capacity int `json:"capacity,omitempty"`
	// Idempotent says that a call may be executed twice: if the provider dies, the hub sends
	// it to another. In MethodInfo it says that all providers have said so.
	Idempotent bool `json:"idempotent,omitempty"`
}

// Policies of a group: who gets a call.
const (
	LeastActive = "least_active" // who has fewest calls in flight: the default
	RoundRobin  = "round_robin"  // one after the other
	TwoChoices  = "two_choices"  // of two at random the one that should be done first, by what its calls took lately
	Sticky      = "sticky"       // always the same for the same key: see HeaderKey
	All         = "all"          // everybody: the answer is a list of Answer
)

// Headers that the hub knows.
const (
	// HeaderKey is the key that a call to a group with the policy Sticky goes by.
	HeaderKey = "plexus-key"
	// HeaderAttempt is written by the hub into a call that it sends again: "2" for the second
	// provider, and so on.
	HeaderAttempt = "plexus-attempt"
)

// Answer is an entry of the list that a call to a group with the policy All is answered with:
// of each provider what it has answered, or why it has not. The list is JSON, in the order
// in which the providers came into the group.
type Answer struct {
	Member string `json:"member"`
	// Value is an answer in JSON.
	Value json.RawMessage `json:"value,omitempty"`
	// Codec and Data are an answer in any other codec.
	Codec uint8  `json:"codec,omitempty"`
	Data  []byte `json:"data,omitempty"`
	// Error is there if the provider has failed.
	Error *Failure `json:"error,omitempty"`
}

// Failure is an error as it stands in JSON.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
