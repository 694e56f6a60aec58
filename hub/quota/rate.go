// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"fmt"

	"github.com/plexus-ipc/plexus/subject"
)

// ChannelRate bounds the messages of each channel whose name matches a pattern, of all its
// members together: calls, events, broadcasts and publications a second, and as many at once
// after a rest.
type ChannelRate struct {
	Pattern string // such as "feeds.>", or a name
	Rate    int    // messages a second, above 0
}

// Valid returns what is wrong with it, or nil.
func (r ChannelRate) Valid() error {
	if err := subject.ValidatePattern(r.Pattern); err != nil {
		return err
	}
	if r.Rate <= 0 {
		return fmt.Errorf("the rate of channels %s is %d: it has to be above 0", r.Pattern, r.Rate)
	}
	return nil
}

// RateOf returns the bound for a channel: that of the first that matches, 0 for none.
func RateOf(all []ChannelRate, channel string) int {
	for _, r := range all {
		if subject.Match(r.Pattern, channel) {
			return r.Rate
		}
	}
	return 0
}
