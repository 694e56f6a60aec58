// SPDX-License-Identifier: Apache-2.0

package quota

import "testing"

func TestRateOf(t *testing.T) {
	all := []ChannelRate{{"feeds.slow", 1}, {"feeds.*", 10}, {"feeds.>", 100}}
	for channel, want := range map[string]int{"feeds.slow": 1, "feeds.fast": 10, "feeds.a.b": 100, "other": 0, "feeds": 0} {
		if got := RateOf(all, channel); got != want {
			t.Errorf("%s: %d, want %d", channel, got, want)
		}
	}
	for _, r := range all {
		if err := r.Valid(); err != nil {
			t.Error(err)
		}
	}
	for _, r := range []ChannelRate{{"", 1}, {"a..b", 1}, {">.a", 1}, {"a", 0}, {"a", -1}} {
		if r.Valid() == nil {
			t.Errorf("%v is valid", r)
		}
	}
}
