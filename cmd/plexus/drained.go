// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/plexus-ipc/plexus/operation"
)

// namedLeft is for how many receivers a line of text says what they did not get; JSON has more.
const namedLeft = 5

// drained says in one line what a hub could not do before it ended.
func drained(r *operation.DrainReport) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d calls cut, %d messages not delivered", r.CallsCut, r.Undelivered)
	if len(r.Left) == 0 {
		return b.String()
	}
	var to []string
	for _, l := range r.Left[:min(len(r.Left), namedLeft)] {
		to = append(to, fmt.Sprintf("%d of %s/%s to %s", l.Messages, l.Channel, l.Name, l.Member))
	}
	if more := len(r.Left) - len(to) + r.Others; more > 0 {
		to = append(to, fmt.Sprintf("%d more", more))
	}
	return b.String() + " (" + strings.Join(to, ", ") + ")"
}
