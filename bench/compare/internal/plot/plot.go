// SPDX-License-Identifier: Apache-2.0

// Package plot draws figures of bars as SVG: small panels beside each other, readable on a
// light and on a dark page, without any script or font of their own.
package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Kind is how a bar is drawn.
type Kind string

// Kinds of bars.
const (
	Ours  Kind = "ours"  // in the one colour there is
	Floor Kind = "floor" // outlined: nobody can be there
	Other Kind = "other"
)

// Bar is one system in a panel.
type Bar struct {
	Name             string
	Value, Low, High float64
	Kind             Kind
}

// Panel is one chart of a figure.
type Panel struct {
	Title string
	Note  string // what the values are, and which way is better
	Bars  []Bar
	// Format prints a value.
	Format func(float64) string
}

// The measures of a figure, in units of about a pixel.
const (
	columns   = 2
	width     = 460
	gap       = 28
	margin    = 16
	nameWidth = 112
	textWidth = 64
	top       = 62 // of a panel, above its bars
	row       = 22
	bottom    = 34
	barHeight = 12
)

// tooWide is the ratio of the largest to the smallest value from which on the axis is
// logarithmic.
const tooWide = 30

const style = `
  .title { font: 600 14px system-ui, sans-serif; fill: #111827 }
  .note, .tick { font: 11px system-ui, sans-serif; fill: #6b7280 }
  .name, .value { font: 12px system-ui, sans-serif; fill: #374151 }
  .strong { font-weight: 700; fill: #6d28d9 }
  .grid { stroke: #e5e7eb; stroke-width: 1 }
  .ours { fill: #7c3aed }
  .other { fill: #9ca3af }
  .floor { fill: none; stroke: #6b7280; stroke-width: 1.4; stroke-dasharray: 3 2 }
  .range { stroke: #111827; stroke-width: 1.4; opacity: .75 }
  @media (prefers-color-scheme: dark) {
    .title { fill: #f3f4f6 }
    .note, .tick { fill: #9ca3af }
    .name, .value { fill: #d1d5db }
    .strong { fill: #c4b5fd }
    .grid { stroke: #374151 }
    .ours { fill: #a78bfa }
    .other { fill: #6b7280 }
    .floor { stroke: #9ca3af }
    .range { stroke: #f9fafb }
  }
`

// SVG draws panels in two columns. Panels without bars are left out; "" if none is left.
func SVG(title string, panels []Panel) string {
	var drawn []Panel
	for _, p := range panels {
		if len(p.Bars) > 0 {
			drawn = append(drawn, p)
		}
	}
	if len(drawn) == 0 {
		return ""
	}
	var body strings.Builder
	y := margin
	across := 1
	for i := 0; i < len(drawn); i += columns {
		line := drawn[i:min(i+columns, len(drawn))]
		across = max(across, len(line))
		height := 0
		for k, p := range line {
			fmt.Fprintf(&body, "<g transform=\"translate(%d %d)\">\n", margin+k*(width+gap), y)
			height = max(height, p.draw(&body))
			body.WriteString("</g>\n")
		}
		y += height + gap/2
	}
	total := 2*margin + across*width + (across-1)*gap
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n<title>%s</title>\n<style>%s</style>\n%s</svg>\n",
		total, y, total, y, html.EscapeString(title), style, body.String())
}

// axis turns values into lengths.
type axis struct {
	low, high   float64
	logarithmic bool
	length      float64
}

func (p *Panel) axis() axis {
	a := axis{low: math.Inf(1), length: width - nameWidth - textWidth}
	for _, b := range p.Bars {
		a.low, a.high = min(a.low, b.Value), max(a.high, b.High, b.Value)
	}
	if a.logarithmic = a.high > tooWide*a.low && a.low > 0; !a.logarithmic {
		a.low = 0
		return a
	}
	a.low = math.Pow(10, math.Floor(math.Log10(a.low*0.7)))
	return a
}

func (a *axis) at(v float64) float64 {
	share := (v - a.low) / (a.high - a.low)
	if a.logarithmic {
		share = math.Log(max(v, a.low)/a.low) / math.Log(a.high/a.low)
	}
	return max(0, min(1, share)) * a.length
}

// ticks are round values along the axis.
func (a *axis) ticks() []float64 {
	var all []float64
	if a.logarithmic {
		for v := a.low; v <= a.high*1.0001; v *= 10 {
			all = append(all, v)
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10(a.high/2)))
	for _, m := range []float64{1, 2, 5, 10} {
		if a.high/(step*m) <= 5 {
			step *= m
			break
		}
	}
	for v := 0.0; v <= a.high*1.0001; v += step {
		all = append(all, v)
	}
	return all
}

// draw draws a panel and returns its height.
func (p *Panel) draw(out *strings.Builder) int {
	a := p.axis()
	end := top + row*len(p.Bars)
	note := p.Note
	if a.logarithmic {
		note += " · log scale"
	}
	fmt.Fprintf(out, "<text class=\"title\" x=\"0\" y=\"20\">%s</text>\n<text class=\"note\" x=\"0\" y=\"38\">%s</text>\n", html.EscapeString(p.Title), html.EscapeString(note))
	for _, v := range a.ticks() {
		x := nameWidth + a.at(v)
		fmt.Fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, top-8, x, end+2)
		fmt.Fprintf(out, "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>\n", x, end+16, html.EscapeString(p.Format(v)))
	}
	for i, b := range p.Bars {
		p.bar(out, &a, b, top+row*i)
	}
	return end + bottom
}

// bar draws a bar with its range, and what it says.
func (p *Panel) bar(out *strings.Builder, a *axis, b Bar, y int) {
	strong := ""
	if b.Kind == Ours {
		strong = " strong"
	}
	middle := float64(y) + barHeight/2
	fmt.Fprintf(out, "<text class=\"name%s\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%s</text>\n", strong, nameWidth-8, middle+4, html.EscapeString(b.Name))
	fmt.Fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n", b.Kind, nameWidth, y, max(1, a.at(b.Value)), barHeight)
	if b.High > b.Low {
		fmt.Fprintf(out, "<line class=\"range\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", nameWidth+a.at(b.Low), middle, nameWidth+a.at(b.High), middle)
	}
	x := nameWidth + max(a.at(b.Value), a.at(b.High)) + 6
	fmt.Fprintf(out, "<text class=\"value%s\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", strong, x, middle+4, html.EscapeString(p.Format(b.Value)))
}
