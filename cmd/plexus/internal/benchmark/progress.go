// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
)

// bar is a line that says how far a run is. Without a terminal it says nothing.
type bar struct {
	w           io.Writer
	on          bool
	total, past int
	began, last time.Time
}

func newBar(w io.Writer, on bool) *bar { return &bar{w: w, on: on, began: time.Now()} }

// barWidth is that of the bar itself; between two drawings passes at least barPause.
const (
	barWidth = 24
	barPause = 100 * time.Millisecond
)

// show draws what is measured now.
func (b *bar) show(what string, k report.Case) {
	now := time.Now()
	if !b.on || now.Sub(b.last) < barPause {
		return
	}
	b.last = now
	full := 0
	left := ""
	if b.total > 0 {
		full = min(barWidth*b.past/b.total, barWidth)
		if took := now.Sub(b.began); b.past > 0 && took > 2*time.Second {
			rest := time.Duration(float64(took) * float64(b.total-b.past) / float64(b.past))
			left = fmt.Sprintf(", %v left", rest.Round(time.Second))
		}
	}
	fmt.Fprintf(b.w, "\r\x1b[K[%s%s] %s, %s%s", strings.Repeat("█", full), strings.Repeat("·", barWidth-full), what, k, left)
}

// done counts slots that are over.
func (b *bar) done(slots int) { b.past += slots }

// end takes the line away.
func (b *bar) end() {
	if b.on {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
