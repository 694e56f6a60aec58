// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
)

// MaxAccessFile is the length of the longest access list, in bytes.
const MaxAccessFile = 4 << 20

// FileError says what is wrong with an access list, and where.
type FileError struct {
	Line, Column int // from 1 on, columns in bytes
	Reason       string
}

// Error is "line:column: reason", so that a path and a colon before it make it a place.
func (e *FileError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Reason) }

// ParseAccess reads an access list from JSON:
//
//	{"rules": [
//	  {"who": ["uid:1000", "token:alice"], "allow": ["call", "subscribe"], "channel": "math", "name": "add.*"},
//	  {"who": ["*"], "deny": ["*"], "channel": "secrets.>", "note": "for people"}
//	]}
//
// It is strict: what it does not know, what stands there twice and what follows is an error. So
// is a file without "rules"; with none in them everything is denied. The error is a *FileError.
func ParseAccess(text []byte) (*Access, error) {
	f := &accessFile{text: text}
	if len(text) > MaxAccessFile {
		return nil, f.at(0, "the list is longer than %d bytes", MaxAccessFile)
	}
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil { // its errors have the right places
		return nil, f.broken(err)
	}
	f.dec = json.NewDecoder(bytes.NewReader(text))
	rules, err := f.file()
	if err != nil {
		return nil, err
	}
	a := &Access{exact: make(map[string]*table), prefix: make(map[string]*table)}
	a.rules = rules
	for i := range a.rules {
		for _, who := range a.rules[i].Who {
			if err := a.tableOf(who).add(&a.rules[i]); err != nil {
				return nil, &FileError{a.rules[i].Line, 1, err.Error()}
			}
		}
	}
	return a, nil
}

// accessFile is a list that is being read.
type accessFile struct {
	text []byte
	dec  *json.Decoder
	key  int // where the last key stands
	line int // how many lines end before …
	seen int // … this offset
}

// file reads all of it.
func (f *accessFile) file() (rules []Rule, err error) {
	found := false
	err = f.object("the list", func(key string) error {
		if key != "rules" {
			return f.here(`there is no field %q in a list: it has "rules"`, key)
		}
		found = true
		return f.list(&rules)
	})
	if err == nil && !found {
		err = f.at(f.next(), `the list has no "rules"`)
	}
	return rules, err
}

// list reads the rules.
func (f *accessFile) list(rules *[]Rule) error {
	if err := f.open('[', `"rules" is no list`); err != nil {
		return err
	}
	for f.dec.More() {
		if len(*rules) == MaxRules {
			return f.at(f.next(), "there are more than %d rules", MaxRules)
		}
		r, err := f.rule()
		if err != nil {
			return err
		}
		*rules = append(*rules, r)
	}
	return f.close()
}

// rule reads one.
func (f *accessFile) rule() (r Rule, err error) {
	begin := f.next()
	r.Line, _ = f.place(begin)
	var allow, deny []auth.Verb
	err = f.object("a rule", func(key string) error {
		switch key {
		case "who":
			return f.value(&r.Who, "a list of identities")
		case "allow":
			return f.value(&allow, "a list of verbs")
		case "deny":
			return f.value(&deny, "a list of verbs")
		case "channel":
			return f.value(&r.Channel, "a pattern of channels")
		case "name":
			return f.value(&r.Name, "a pattern of names")
		case "note":
			return f.value(new(string), "a text")
		}
		return f.here("there is no field %q in a rule: it has who, allow or deny, channel, name, note", key)
	})
	if err != nil {
		return r, err
	}
	if allow != nil && deny != nil {
		return r, f.at(begin, "a rule allows or denies: make two of it")
	}
	r.Verbs, r.Deny = append(allow, deny...), deny != nil
	if err := r.check(); err != nil {
		return r, f.at(begin, "%s", status.Convert(err).Message)
	}
	return r, nil
}

// object reads an object; field reads the value of each.
func (f *accessFile) object(what string, field func(key string) error) error {
	if err := f.open('{', what+" is no object"); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for f.dec.More() {
		f.key = f.next()
		t, err := f.dec.Token()
		if err != nil {
			return f.broken(err)
		}
		key, _ := t.(string) // of an object: nothing else gets through
		if seen[key] {
			return f.here("%q stands there twice", key)
		}
		seen[key] = true
		if err := field(key); err != nil {
			return err
		}
	}
	return f.close()
}

// value reads one that must not be null.
func (f *accessFile) value(into any, what string) error {
	begin := f.next()
	if begin < len(f.text) && f.text[begin] == 'n' {
		return f.at(begin, "this is no value: it must be %s", what)
	}
	err := f.dec.Decode(into)
	if errors.As(err, new(*json.UnmarshalTypeError)) {
		return f.at(begin, "this must be %s", what)
	}
	if err != nil {
		return f.broken(err)
	}
	return nil
}

func (f *accessFile) open(d json.Delim, reason string) error {
	begin := f.next()
	t, err := f.dec.Token()
	if err != nil {
		return f.broken(err)
	}
	if t != d {
		return f.at(begin, "%s", reason)
	}
	return nil
}

func (f *accessFile) close() error {
	if _, err := f.dec.Token(); err != nil {
		return f.broken(err)
	}
	return nil
}

// next returns the offset at which the next value begins.
func (f *accessFile) next() int {
	at := int(f.dec.InputOffset())
	for at < len(f.text) && bytes.IndexByte([]byte(" \t\r\n,:"), f.text[at]) >= 0 {
		at++
	}
	return at
}

// broken is the error for what is no JSON.
func (f *accessFile) broken(err error) error {
	e, ok := errors.AsType[*json.SyntaxError](err)
	switch {
	case !ok:
		return f.here("%s", err)
	case int(e.Offset) >= len(f.text) && strings.Contains(e.Error(), "end of JSON"):
		return f.at(len(f.text), "the list ends in the middle")
	}
	return f.at(max(int(e.Offset)-1, 0), "%s", e.Error())
}

// here is an error about the last key.
func (f *accessFile) here(format string, args ...any) error { return f.at(f.key, format, args...) }

func (f *accessFile) at(offset int, format string, args ...any) error {
	line, column := f.place(offset)
	return &FileError{line, column, fmt.Sprintf(format, args...)}
}

// place returns line and column of an offset. Asked in ascending order, as for the rules, it
// reads the text once.
func (f *accessFile) place(offset int) (line, column int) {
	offset = min(offset, len(f.text))
	if offset < f.seen {
		f.line, f.seen = 0, 0
	}
	f.line += bytes.Count(f.text[f.seen:offset], []byte{'\n'})
	f.seen = offset
	return f.line + 1, offset - bytes.LastIndexByte(f.text[:offset], '\n')
}
