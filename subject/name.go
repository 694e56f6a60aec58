// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxLength is the length of the longest name and of the longest pattern in bytes.
const MaxLength = 255

// maxMarks is how many combining marks may follow each other. Scripts need up to
// four; more only serve to spill over the lines above.
const maxMarks = 8

// NameError tells why a text is no name or pattern.
type NameError struct {
	Kind   string // "channel", "method", "topic", "member" or "pattern"
	Name   string // what was given; may be hostile, print it quoted
	Reason string // one sentence: what is wrong and what to do
}

// Error quotes the name, so that it fits in one line of a log whatever it holds.
func (e *NameError) Error() string {
	name, rest := e.Name, ""
	if len(name) > MaxLength {
		name, rest = name[:64], "…"
	}
	return e.Kind + " name " + strconv.Quote(name) + rest + ": " + e.Reason
}

// ValidateChannel says why name cannot be the name of a user's channel, or nil.
// Names that begin with '$' are refused. The error is a *NameError.
// It does not allocate if the name is good, and neither do the others.
func ValidateChannel(name string) error { return validateUser("channel", name) }

// ValidateSystemChannel says why name cannot be one of Plexus's own channels, or
// nil: "$", or '$' and a name. The error is a *NameError.
func ValidateSystemChannel(name string) error {
	if !Reserved(name) {
		return refuse("channel", name, "it does not begin with '$', so it is not one of Plexus's own")
	}
	if name == "$" {
		return nil
	}
	if reason := check(name[1:]); reason != "" || len(name) > MaxLength {
		return refuse("channel", name, first(reason, tooLong(name)))
	}
	return nil
}

// ValidateMethod says why name cannot be the name of a method, or nil.
// The error is a *NameError.
func ValidateMethod(name string) error { return validate("method", name) }

// ValidateTopic says why name cannot be the name of a topic, or nil. A topic to
// subscribe to may be a pattern; a topic to publish on may not. The error is a *NameError.
func ValidateTopic(name string) error { return validate("topic", name) }

// ValidateMember says why id cannot be chosen as the id of a member, or nil.
// Ids that begin with '$' are refused. The error is a *NameError.
func ValidateMember(id string) error { return validateUser("member", id) }

// Reserved says whether a channel or member name is Plexus's own: it begins with '$'.
func Reserved(name string) bool { return strings.HasPrefix(name, "$") }

// SplitMethod takes channel/method apart and checks both. The method may be
// dotted; without a slash the channel is "" (the one that direct use has); a
// system channel is allowed ("$/join"). The error is a *NameError.
func SplitMethod(address string) (channel, method string, err error) {
	channel, method, found := strings.Cut(address, "/")
	switch {
	case !found:
		channel, method = "", address
	case Reserved(channel):
		err = ValidateSystemChannel(channel)
	default:
		err = ValidateChannel(channel)
	}
	if err == nil {
		err = ValidateMethod(method)
	}
	if err != nil {
		return "", "", err
	}
	return channel, method, nil
}

// JoinMethod is the address that SplitMethod takes apart. It does not check.
func JoinMethod(channel, method string) string {
	if channel == "" {
		return method
	}
	return channel + "/" + method
}

func refuse(kind, name, reason string) error {
	return &NameError{Kind: kind, Name: name, Reason: reason}
}

func validate(kind, name string) error {
	if reason := check(name); reason != "" {
		return refuse(kind, name, reason)
	}
	return nil
}

func validateUser(kind, name string) error {
	if Reserved(name) {
		return refuse(kind, name, "names that begin with '$' are Plexus's own; choose another first character")
	}
	return validate(kind, name)
}

// check says what is wrong with a name, or "".
func check(name string) string {
	switch {
	case name == "":
		return "it is empty; give it at least one character"
	case len(name) > MaxLength:
		return tooLong(name)
	}
	for rest, more := name, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if reason := checkToken(token); reason != "" {
			return reason
		}
	}
	return ""
}

// checkToken says what is wrong with a token, or "".
func checkToken(token string) string {
	switch {
	case token == "":
		return "a token between dots is empty; remove the dot"
	case token[0] == ' ' || token[len(token)-1] == ' ':
		return "a token begins or ends with a space; remove it"
	}
	marks := 0
	var form canon
	for i, r := range token {
		if reason := checkRune(r); reason != "" {
			if r == utf8.RuneError && !utf8.ValidString(token) {
				return "it is not valid UTF-8"
			}
			return reason
		}
		if why := form.check(r); why != "" {
			return fmt.Sprintf("it holds U+%04X, %s", r, why)
		}
		if r < 0x300 || !unicode.Is(unicode.M, r) {
			marks = 0
			continue
		}
		if marks++; i == 0 || marks > maxMarks {
			return "combining marks stand at the beginning of a token or pile up; write them after the letter they belong to"
		}
	}
	return ""
}

// checkRune says what is wrong with a character, or "".
func checkRune(r rune) string {
	switch {
	case r == '*' || r == '>' || r == '/':
		return fmt.Sprintf("it holds %q, which belongs to patterns and method addresses", r)
	case r >= ' ' && r < 0x7f:
		return ""
	}
	for _, f := range forbidden {
		if r < f.first {
			break
		}
		if r <= f.last {
			return fmt.Sprintf("it holds U+%04X, %s", r, f.why)
		}
	}
	if r&0xfffe == 0xfffe {
		return fmt.Sprintf("it holds U+%04X, %s", r, whyBroken)
	}
	return ""
}

// tooLong is the reason for a long name, or "".
func tooLong(name string) string {
	if len(name) <= MaxLength {
		return ""
	}
	return fmt.Sprintf("it has %d bytes, at most %d are allowed", len(name), MaxLength)
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
