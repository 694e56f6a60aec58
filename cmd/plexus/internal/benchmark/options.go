// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/benchmark/report"
	"github.com/plexus-ipc/plexus/status"
)

// Options describe a run. The zero value measures everything.
type Options struct {
	Quick bool
	// Count is how many operations a slot has; 0: as many as fit its time.
	Count int
	// Rounds is how often each case is measured; 0 is 3.
	Rounds int
	// What to measure; nil is all of it. Callers are those of calls, and the subscribers
	// of publications. A Buffer is "default" or a size such as 256K.
	Transports, Patterns, Routes, Buffers []string
	Sizes                                 []string
	Callers                               []int

	Version string // of the program
	JSON    bool   // the report as one JSON object, without a table
	Out     io.Writer
	Err     io.Writer
	// Progress draws a bar on Err.
	Progress bool
}

// Limits of what may be asked for.
const (
	minSize    = 16 // a stamp and a number lie in each payload
	maxSize    = 8 << 20
	maxCallers = 1024
	maxCount   = 100_000_000
	maxRounds  = 101
)

// settings are checked Options.
type settings struct {
	transports, patterns, routes []string
	buffers                      []buffer
	sizes, callers               []int // callers is nil: each pattern's own
	count, rounds                int
	limit                        time.Duration // 0: none; else slots after it are left out
}

// buffer is a size of socket buffers, 0 for the system's.
type buffer struct {
	name  string
	bytes int
}

// check refuses what cannot be measured.
func (o *Options) check() (*settings, error) {
	s := &settings{count: o.Count, rounds: o.Rounds}
	if o.Rounds == 0 {
		s.rounds = 3
	}
	switch {
	case o.Quick:
		s.limit = quickLimit
	case o.Count == 0 && o.Rounds == 0: // who asks for so many gets them
		s.limit = fullLimit
	}
	if o.Count < 0 || o.Count > maxCount || s.rounds < 1 || s.rounds > maxRounds {
		return nil, invalidf("a count is 0 to %d, rounds are 1 to %d", maxCount, maxRounds)
	}
	for _, n := range o.Callers {
		if n < 1 || n > maxCallers {
			return nil, invalidf("%d callers are not 1 to %d", n, maxCallers)
		}
	}
	s.callers = unique(o.Callers)
	var err error
	for _, c := range []struct {
		what        string
		given, all  []string
		destination *[]string
	}{
		{"transport", o.Transports, Schemes(), &s.transports},
		{"pattern", o.Patterns, []string{report.Call, report.Stream, report.Publish}, &s.patterns},
		{"route", o.Routes, []string{report.Direct, report.Hub}, &s.routes},
	} {
		if *c.destination, err = choose(c.what, c.given, c.all); err != nil {
			return nil, err
		}
	}
	if s.sizes, err = o.sizes(); err != nil {
		return nil, err
	}
	s.buffers, err = o.buffers()
	return s, err
}

func invalidf(format string, args ...any) error {
	return status.Errorf(status.InvalidArgument, format, args...)
}

// choose returns what is given, in the order of all, or all.
func choose(what string, given, all []string) ([]string, error) {
	if len(given) == 0 {
		return all, nil
	}
	for _, g := range given {
		if !slices.Contains(all, g) {
			return nil, invalidf("%s %q is unknown: it is one of %s", what, g, strings.Join(all, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(a string) bool { return !slices.Contains(given, a) }), nil
}

func (o *Options) sizes() ([]int, error) {
	given := o.Sizes
	switch {
	case len(given) > 0:
	case o.Quick:
		given = []string{"64", "64K"}
	default:
		given = []string{"64", "1K", "64K", "1M"}
	}
	var all []int
	for _, text := range given {
		n, err := ParseSize(text)
		if err != nil || n < minSize || n > maxSize {
			return nil, invalidf("size %q is not %d to %s", text, minSize, report.SizeText(maxSize))
		}
		all = append(all, n)
	}
	return unique(all), nil
}

func (o *Options) buffers() ([]buffer, error) {
	if len(o.Buffers) == 0 {
		return []buffer{{}}, nil
	}
	var all []buffer
	for _, text := range o.Buffers {
		b := buffer{name: text}
		if text != defaultBuffer {
			n, err := ParseSize(text)
			if err != nil || n < 1<<10 || n > 1<<30 {
				return nil, invalidf("socket buffer %q is neither %q nor 1K to 1G", text, defaultBuffer)
			}
			b = buffer{report.SizeText(n), n}
		}
		if !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	return all, nil
}

// defaultBuffer names the system's own socket buffers.
const defaultBuffer = "default"

// unique sorts and takes doubles out.
func unique(v []int) []int {
	v = slices.Clone(v)
	slices.Sort(v)
	return slices.Compact(v)
}

// ParseSize reads a number of bytes: 64, 1K, 256KiB, 1M, 1G. The units are of 1024.
func ParseSize(text string) (int, error) {
	digits := strings.TrimRight(text, "KMGkmgiB")
	unit := strings.ToUpper(text[len(digits):])
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is no size: write 64, 256K or 1M", text)
	}
	shift, ok := map[string]int{"": 0, "B": 0, "K": 10, "KB": 10, "KIB": 10, "M": 20, "MB": 20, "MIB": 20, "G": 30, "GB": 30, "GIB": 30}[unit]
	if !ok || n > 1<<(40-shift) {
		return 0, fmt.Errorf("%q is no size: write 64, 256K or 1M", text)
	}
	return int(n) << shift, nil
}
