// SPDX-License-Identifier: Apache-2.0

package subject_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/plexus-ipc/plexus/subject"
)

// vectors is testdata/vectors.json, which other languages run too.
type vectors struct {
	Note  string `json:"note"`
	Names []struct {
		Kinds []string `json:"kinds"`
		Name  string   `json:"name"`
		Hex   string   `json:"hex"`
		Valid bool     `json:"valid"`
		Why   string   `json:"why"`
	} `json:"names"`
	Patterns []struct {
		Pattern string `json:"pattern"`
		Valid   bool   `json:"valid"`
		Why     string `json:"why"`
	} `json:"patterns"`
	Matches []struct {
		Pattern string `json:"pattern"`
		Name    string `json:"name"`
		Match   bool   `json:"match"`
	} `json:"matches"`
	Split []struct {
		Address string `json:"address"`
		Channel string `json:"channel"`
		Method  string `json:"method"`
		Error   bool   `json:"error"`
	} `json:"split"`
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	file, err := os.Open("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Names)*len(v.Patterns)*len(v.Matches)*len(v.Split) == 0 {
		t.Fatal("vectors are missing")
	}
	return v
}

var validators = map[string]func(string) error{
	"channel": subject.ValidateChannel, "method": subject.ValidateMethod, "topic": subject.ValidateTopic,
	"member": subject.ValidateMember, "system": subject.ValidateSystemChannel,
}

func TestNameVectors(t *testing.T) {
	for _, v := range readVectors(t).Names {
		name := v.Name
		if v.Hex != "" {
			raw, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			name = string(raw)
		}
		for _, kind := range v.Kinds {
			err := validators[kind](name)
			if (err == nil) != v.Valid {
				t.Errorf("%s %q (%s): %v", kind, name, v.Why, err)
			}
			checkError(t, err)
		}
	}
}

func TestPatternVectors(t *testing.T) {
	v := readVectors(t)
	for _, p := range v.Patterns {
		err := subject.ValidatePattern(p.Pattern)
		if (err == nil) != p.Valid {
			t.Errorf("pattern %q (%s): %v", p.Pattern, p.Why, err)
		}
		checkError(t, err)
	}
	for _, m := range v.Matches {
		if got := subject.Match(m.Pattern, m.Name); got != m.Match {
			t.Errorf("Match(%q, %q) = %v", m.Pattern, m.Name, got)
		}
		var trie subject.Trie[int]
		if _, err := trie.Insert(m.Pattern, 1); err != nil {
			t.Fatal(err)
		}
		if got := len(trie.Match(nil, m.Name)) == 1; got != m.Match {
			t.Errorf("trie of %q matches %q: %v", m.Pattern, m.Name, got)
		}
	}
}

func TestSplitVectors(t *testing.T) {
	for _, v := range readVectors(t).Split {
		channel, method, err := subject.SplitMethod(v.Address)
		if (err != nil) != v.Error || channel != v.Channel || method != v.Method {
			t.Errorf("SplitMethod(%q) = %q, %q, %v", v.Address, channel, method, err)
		}
		checkError(t, err)
		if err == nil && subject.JoinMethod(channel, method) != v.Address {
			t.Errorf("JoinMethod(%q, %q) is not %q", channel, method, v.Address)
		}
	}
}

// checkError holds every error to its type and to one printable line.
func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var name *subject.NameError
	if !errors.As(err, &name) || name.Reason == "" || name.Kind == "" {
		t.Errorf("untyped error %v", err)
	}
	message := strings.ReplaceAll(err.Error(), "\ufffd", "")
	if strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsPrint(r) }) || len(message) > 1400 {
		t.Errorf("unsafe message %q", message)
	}
}
