// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"

	"github.com/plexus-ipc/plexus/hub/quota"
)

func TestParseRates(t *testing.T) {
	got, err := parseRates([]string{"feeds.>=100", ">=5", "a=1"})
	if err != nil || !slices.Equal(got, []quota.ChannelRate{{Pattern: "feeds.>", Rate: 100}, {Pattern: ">", Rate: 5}, {Pattern: "a", Rate: 1}}) {
		t.Fatal(got, err)
	}
	for _, bad := range []string{"", "a", "a=", "=1", "a=x", "a=0", "a=-1", "a..b=1", "a=1=2", "a=99999999999999999999"} {
		if _, err := parseRates([]string{bad}); exitOf(err) != exitUsage {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
