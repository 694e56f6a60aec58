// SPDX-License-Identifier: Apache-2.0

package subject

import "strings"

// ValidatePattern says why pattern is none, or nil: see the package comment for
// the grammar. Every name is a pattern. The error is a *NameError.
func ValidatePattern(pattern string) error {
	if reason := checkPattern(pattern); reason != "" {
		return refuse("pattern", pattern, reason)
	}
	return nil
}

// IsPattern says whether a valid pattern has a wildcard, so that it may match more
// than one name.
func IsPattern(pattern string) bool { return strings.ContainsAny(pattern, "*>") }

// Match says whether a name matches a pattern, both of which must be valid; else
// the answer means nothing, but it is given without a panic. It does not allocate,
// and its time is linear in the shorter of the two.
func Match(pattern, name string) bool {
	for {
		wanted, patternRest, patternMore := strings.Cut(pattern, ".")
		if wanted == ">" {
			return true
		}
		token, nameRest, nameMore := strings.Cut(name, ".")
		if wanted != token && wanted != "*" {
			return false
		}
		if !patternMore || !nameMore {
			return patternMore == nameMore
		}
		pattern, name = patternRest, nameRest
	}
}

// checkPattern says what is wrong with a pattern, or "".
func checkPattern(pattern string) string {
	switch {
	case pattern == "":
		return "it is empty; write > to match every name"
	case len(pattern) > MaxLength:
		return tooLong(pattern)
	}
	for rest, more := pattern, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if reason := checkPatternToken(token, more); reason != "" {
			return reason
		}
	}
	return ""
}

// checkPatternToken says what is wrong with one token of a pattern, or "".
func checkPatternToken(token string, more bool) string {
	switch {
	case token == "*" || token == ">" && !more:
		return ""
	case token == ">":
		return "'>' stands before the end; only the last token may be '>'"
	case strings.ContainsAny(token, "*>"):
		return "a wildcard stands beside other characters; '*' and '>' are whole tokens"
	}
	return checkToken(token)
}
