// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func plain(v float64) string { return fmt.Sprint(v) }

func TestSVG(t *testing.T) {
	text := SVG("a & b", []Panel{
		{Title: "empty", Format: plain},
		{Title: "first <1>", Note: "µs", Format: plain, Bars: []Bar{{"plexus", 10, 9, 12, Ours}, {"other", 20, 20, 20, Other}}},
	})
	for _, want := range []string{"<title>a &amp; b</title>", "first &lt;1&gt;", `class="ours"`, `class="range"`, "prefers-color-scheme: dark"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "empty") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("an empty panel, or no number:\n%s", text)
	}
	if SVG("x", []Panel{{}}) != "" {
		t.Error("a figure without bars was drawn")
	}
}

// TestAxis: a wide range has a logarithmic axis, a narrow one begins at nothing.
func TestAxis(t *testing.T) {
	narrow := Panel{Bars: []Bar{{Value: 10}, {Value: 100}}}
	a := narrow.axis()
	if a.logarithmic || a.at(100) != a.length || a.at(50) != a.length/2 || len(a.ticks()) < 3 {
		t.Errorf("%+v, ticks %v", a, a.ticks())
	}
	wide := Panel{Bars: []Bar{{Value: 10}, {Value: 1e6}}}
	a = wide.axis()
	if !a.logarithmic || a.low != 1 || a.at(1000) <= 0.45*a.length || a.at(1000) >= 0.55*a.length {
		t.Errorf("%+v at 1000: %v", a, a.at(1000))
	}
}
