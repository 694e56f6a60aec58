// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
)

const maxOptions = 32

// option is a decoded name=value.
type option struct{ name, value string }

// Option is the decoded value of an option, and whether e has it. A flag such
// as one=1 has the value "1".
func (e Endpoint) Option(name string) (value string, ok bool) {
	for n, v := range e.Options() {
		if n == name {
			return v, true
		}
	}
	return "", false
}

// Options yields the decoded options in the order of their names.
func (e Endpoint) Options() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		options, _ := splitQuery(e.query)
		for _, o := range options {
			if !yield(o.name, o.value) {
				return
			}
		}
	}
}

// Mode is the value of the option mode, and whether e has it.
func (e Endpoint) Mode() (fs.FileMode, bool) {
	value, ok := e.Option("mode")
	if s, known := lookup(e.scheme); !ok || !known || !s.access {
		return 0, false
	}
	bits, err := strconv.ParseUint(value, 8, 9)
	return fs.FileMode(bits), err == nil
}

// WithOption is e with one option set, or removed if the value is empty.
// The error is a *ParseError: the scheme does not know it, or the value is bad.
func (e Endpoint) WithOption(name, value string) (Endpoint, error) {
	p := e.parts()
	p.options = slices.DeleteFunc(p.options, func(o option) bool { return o.name == name })
	if value != "" {
		p.options = append(p.options, option{name, value})
	}
	return p.endpoint(e.String())
}

// splitQuery decodes name=value&…; '+' is a space, as in every URL query.
func splitQuery(query string) ([]option, error) {
	if query == "" {
		return nil, nil
	}
	var options []option
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(strings.ReplaceAll(pair, "+", " "), "=")
		decodedName, errName := unescape(name)
		decodedValue, errValue := unescape(value)
		if err := cmp.Or(errName, errValue); err != nil {
			return nil, err
		}
		options = append(options, option{decodedName, decodedValue})
	}
	return options, nil
}

// canonicalQuery checks the options against the scheme and prints them in order.
func canonicalQuery(s scheme, options []option) (string, error) {
	if len(options) > maxOptions {
		return "", fmt.Errorf("there are %d options, at most %d are allowed", len(options), maxOptions)
	}
	options = slices.Clone(options)
	slices.SortStableFunc(options, func(a, b option) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	for i, o := range options {
		if i > 0 && options[i-1].name == o.name {
			return "", fmt.Errorf("the option %s stands twice; write it once", clip(o.name))
		}
		value, err := s.canonicalOption(o)
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(o.name, "@:/") + "=" + escape(value, "@:/"))
	}
	return b.String(), nil
}

// canonicalOption checks one option and gives its value in its one form.
func (s scheme) canonicalOption(o option) (string, error) {
	if err := cmp.Or(checkText(o.name), checkText(o.value)); err != nil {
		return "", err
	}
	switch {
	case o.name == "":
		return "", errors.New("an option has no name; write ?name=value&name=value")
	case s.open:
		return o.value, nil
	case o.name == "mode" && s.access:
		return canonicalMode(o.value)
	case o.name == "group" && s.access:
		return o.value, checkName("group", o.value, maxName, "/:")
	case o.name == "one" && s.single:
		if o.value != "1" {
			return "", errors.New("the option one has another value than 1; write one=1 or leave it out")
		}
		return o.value, nil
	}
	return "", fmt.Errorf("%s has no option %s; it knows %s", s.name, clip(o.name), s.knownOptions())
}

// canonicalMode prints permission bits with four digits.
func canonicalMode(value string) (string, error) {
	bits, err := strconv.ParseUint(value, 8, 9)
	if err != nil || len(value) > 4 {
		return "", fmt.Errorf("the mode %s is not an octal number from 0000 to 0777", clip(value))
	}
	return fmt.Sprintf("%04o", bits), nil
}

// knownOptions lists the options of a scheme for a message.
func (s scheme) knownOptions() string {
	var names []string
	if s.access {
		names = append(names, "mode", "group")
	}
	if s.single {
		names = append(names, "one")
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}
