// SPDX-License-Identifier: Apache-2.0

package operation

// DrainReport is what a hub or server could not do before it ended.
type DrainReport struct {
	CallsCut    int `json:"calls_cut"`   // that were under way and had no answer in time
	Undelivered int `json:"undelivered"` // publications and events that waited for their receivers
	// Left says for whom they waited, those with most first, at most MaxLeft.
	Left []Undelivered `json:"left,omitempty"`
	// Others is how many more there were than Left has.
	Others int `json:"others,omitempty"`
}

// MaxLeft is how many receivers a DrainReport names.
const MaxLeft = 100

// Undelivered is what waited for one receiver by one name, and was not delivered.
type Undelivered struct {
	Member   string `json:"member"`
	Channel  string `json:"channel,omitempty"`
	Name     string `json:"name"`            // of the event, or the pattern of the subscription
	Event    bool   `json:"event,omitempty"` // an event or broadcast, else publications
	Messages int    `json:"messages"`
}

// Stopped answers Stop: Report is nil unless it was asked for.
type Stopped struct {
	Report *DrainReport `json:"report,omitempty"`
}
