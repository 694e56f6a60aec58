// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"sync"

	library "github.com/santhosh-tekuri/jsonschema/v6"
)

// The budget of one judgement: a unit is about a step of a loop over the value.
const (
	budgetBase  = 1 << 16
	budgetByte  = 64
	budgetLimit = 1 << 26
)

func budget(bytes int) int { return min(budgetBase+budgetByte*bytes, budgetLimit) }

// Limits of the regular expressions of one schema, in instructions of the compiled program.
const (
	maxPattern  = 1000
	maxPatterns = 10_000
)

// errBudget is the panic of a meter that has run out.
var errBudget = errors.New("that would take too long: the schema tries too much, or the value is too large")

// meter counts the work of a judgement. The library has no hook for it, so it counts in the
// check of the format, which is the first thing that the library does at each visit of a
// schema that can lead to further ones. Formats and contents themselves are annotations, as
// draft 2020-12 has it: nothing is checked against them. One judgement runs at a time.
type meter struct {
	mu       sync.Mutex
	left     int // guarded by mu
	patterns int // instructions, while compiling
}

func (m *meter) take(n int) {
	if m.left -= n; m.left < 0 {
		panic(errBudget)
	}
}

// watch makes every schema that can be reached count its visits.
func (m *meter) watch(root *library.Schema) {
	seen := make(map[*library.Schema]bool)
	queue := []*library.Schema{root}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		if s == nil || seen[s] {
			continue
		}
		seen[s] = true
		next := children(s)
		queue = append(queue, next...)
		m.count(s, 1+len(next))
	}
}

// count makes a schema count its visits. weight is what a visit costs beside the size of the
// value: children that fail at once are not visited far enough to count themselves.
func (m *meter) count(s *library.Schema, weight int) {
	if s.Enum != nil {
		weight += len(s.Enum.Values)
	}
	s.Format = &library.Format{Name: "any", Validate: func(v any) error {
		m.take(weight + size(v))
		return nil
	}}
	s.ContentEncoding, s.ContentMediaType, s.ContentSchema = nil, nil, nil
}

// size is what a step over a value costs, without what is inside its members.
func size(v any) int {
	switch v := v.(type) {
	case map[string]any:
		return len(v)
	case []any:
		return len(v)
	case string:
		return len(v) / 8
	}
	return 1
}

// children returns the schemas that a visit of s may lead to.
func children(s *library.Schema) []*library.Schema {
	all := []*library.Schema{
		s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else, s.PropertyNames, s.UnevaluatedProperties,
		s.Contains, s.Items2020, s.UnevaluatedItems, s.ContentSchema,
	}
	if s.DynamicRef != nil {
		all = append(all, s.DynamicRef.Ref)
	}
	for _, list := range [][]*library.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems} {
		all = append(all, list...)
	}
	for _, p := range s.Properties {
		all = append(all, p)
	}
	for _, p := range s.PatternProperties {
		all = append(all, p)
	}
	for _, p := range s.DependentSchemas {
		all = append(all, p)
	}
	for _, p := range s.Dependencies {
		all = append(all, either(p)...)
	}
	for _, p := range []any{s.AdditionalProperties, s.AdditionalItems, s.Items} {
		all = append(all, either(p)...)
	}
	out := all[:0]
	for _, c := range all {
		if c != nil {
			out = append(out, c)
		}
	}
	return out
}

// either returns the schemas in what may be a schema, several, or none.
func either(v any) []*library.Schema {
	switch v := v.(type) {
	case *library.Schema:
		return []*library.Schema{v}
	case []*library.Schema:
		return v
	}
	return nil
}

// pattern is a regular expression that counts what it costs.
type pattern struct {
	*regexp.Regexp
	m     *meter
	steps int // of the program, per byte at most
}

// MatchString implements library.Regexp.
func (p *pattern) MatchString(s string) bool {
	p.m.take(1 + len(s)*p.steps/4) // the automaton is seldom at all places of the program at a time
	return p.Regexp.MatchString(s)
}

// regexp is the library.RegexpEngine.
func (m *meter) regexp(text string) (library.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	n := instructions(parsed)
	if m.patterns += n; n > maxPattern || m.patterns > maxPatterns {
		return nil, errors.New("the regular expression is too large")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{re, m, n}, nil
}

// instructions estimates the size of the program from above, without making it.
func instructions(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Max, re.Min+1, 1)
	}
	return min(n, 2*maxPatterns) // no overflow, however deep they nest
}
