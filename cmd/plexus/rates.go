// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"strings"

	"github.com/plexus-ipc/plexus/hub/quota"
)

// parseRates understands --max-rate-channel: a pattern of channels and a number, each.
func parseRates(texts []string) (all []quota.ChannelRate, err error) {
	for _, text := range texts {
		pattern, number, ok := strings.Cut(text, "=")
		n, err := strconv.Atoi(number)
		r := quota.ChannelRate{Pattern: pattern, Rate: n}
		if !ok || err != nil {
			return nil, usagef("--max-rate-channel %q is not understood: write PATTERN=N, as in 'feeds.>=1000'", text)
		}
		if err := r.Valid(); err != nil {
			return nil, usagef("--max-rate-channel %q: %w", text, err)
		}
		all = append(all, r)
	}
	return all, nil
}
