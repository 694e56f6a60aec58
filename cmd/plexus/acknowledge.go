// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// tellReceipt prints who got a publication and returns an error if not all did.
func (a *app) tellReceipt(what string, r *operation.Receipt) error {
	err := a.formatter().object(r, func(w io.Writer) {
		for _, m := range r.Receivers {
			fmt.Fprintf(w, "%s\ttaken\n", m)
		}
		for _, m := range r.Missed {
			letter := ""
			if m.DeadLettered {
				letter = "\tkept as a dead letter"
			}
			fmt.Fprintf(w, "%s\t%s%s\n", m.Member, m.Reason, letter)
		}
		if n := r.Matched - len(r.Receivers) - len(r.Missed); n > 0 {
			fmt.Fprintf(w, "…\t%d more\n", n)
		}
	})
	if err != nil || r.Complete() {
		return err
	}
	if r.Matched == 0 && r.DeadLettered > 0 {
		return status.Errorf(status.Unavailable, "nobody has subscribed to %s: it is kept as a dead letter", what)
	}
	if r.Matched == 0 {
		return status.Errorf(status.Unavailable, "nobody has subscribed to %s", what)
	}
	code := status.Overloaded
	var reasons []string
	for _, m := range r.Missed {
		if m.Reason == operation.MissDeadline {
			code = status.DeadlineExceeded
		}
		reasons = append(reasons, m.Member+" ("+m.Reason+")")
	}
	const few = 3
	if len(reasons) > few {
		reasons = append(reasons[:few], "…")
	}
	return status.Errorf(code, "%d of %d subscribers got it; not %s", r.Delivered, r.Matched, strings.Join(reasons, ", "))
}
