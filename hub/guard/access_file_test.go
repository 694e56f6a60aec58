// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/guard"
)

const goodList = `{"rules": [
  {"who": ["uid:1000", "token:alice"], "allow": ["call", "subscribe"], "channel": "math", "name": "add.*"},

  {"note": "Ünïcode is fine", "who": ["*"], "deny": ["*"],
   "channel": "secrets.>"}
]}
`

func TestParseAccess(t *testing.T) {
	a, err := guard.ParseAccess([]byte(goodList))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range a.Rules() {
		lines = append(lines, r.String())
	}
	if got := strings.Join(lines, "; "); got != "allow uid:1000, token:alice to call, subscribe in math on add.*; deny * to * in secrets.>" {
		t.Fatal(got)
	}
	if r := a.Rules(); r[0].Line != 2 || r[1].Line != 4 {
		t.Fatalf("lines %d and %d", r[0].Line, r[1].Line)
	}
	if !a.For(called("token:alice")).May(auth.VerbCall, "math", "add.two") {
		t.Fatal("the list allows nothing")
	}
	empty, err := guard.ParseAccess([]byte(`{"rules": []}`))
	if err != nil || !empty.For(user(0)).Nothing() {
		t.Fatalf("an empty list is none: %v", err)
	}
}

func TestParseAccessIsStrict(t *testing.T) {
	for text, want := range map[string]string{
		``:                                "1:1: the list ends in the middle",
		`{"rules": [`:                     "1:12: the list ends in the middle",
		`[]`:                              "1:1: the list is no object",
		`{}`:                              `1:3: the list has no "rules"`,
		`{"rules": null}`:                 `1:11: "rules" is no list`,
		`{"rules": [], "rules": []}`:      `"rules" stands there twice`,
		`{"rule": []}`:                    `there is no field "rule" in a list`,
		`{"rules": []} x`:                 "after top-level value",
		`{"rules": []}{}`:                 "after top-level value",
		"{\"rules\": [\n  {\"who\": [}]}": "2:12: invalid character",
		"{\"rules\": [\n  {\"who\": [\"*\"],\n \"alow\": [\"*\"]}]}":                           `3:2: there is no field "alow" in a rule`,
		"{\"rules\": [\n\n  {\"who\": \"*\", \"allow\": [\"*\"]}]}":                            "3:11: this must be a list of identities",
		"{\"rules\": [\n  {\"who\": [\"*\"], \"allow\": null}]}":                               "2:27: this is no value",
		"{\"rules\": [\n  {\"who\": [\"*\"], \"allow\": [\"*\"], \"deny\": [\"call\"]}]}":      "2:3: a rule allows or denies",
		"{\"rules\": [{\"who\": [\"*\"], \"allow\": [\"*\"]},\n\n {\"allow\": [\"call\"]}\n]}": "3:2: it says nobody",
		"{\"rules\": [\n {\"who\": [\"*\"], \"allow\": [\"call\"], \"channel\": \"a..b\"}]}":   `2:2: pattern name "a..b"`,
		"{\"rules\": [{\"who\": [\"*\"]}]}":                                                    "1:12: it allows and denies nothing",
		"{\"rules\": [{\"who\": [\"*\"], \"who\": [\"uid:1\"], \"allow\": [\"*\"]}]}":          `"who" stands there twice`,
		"{\"rules\": [7]}":                          "1:12: a rule is no object",
		"{\"rules\": " + strings.Repeat("[", 20000): "exceeded max depth",
	} {
		_, err := guard.ParseAccess([]byte(text))
		e, ok := errors.AsType[*guard.FileError](err)
		if !ok || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || e.Line < 1 || e.Column < 1 {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
	if _, err := guard.ParseAccess(make([]byte, guard.MaxAccessFile+1)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

// FuzzParseAccess: no text panics, what is taken can be asked, and an error has a place in the text.
func FuzzParseAccess(f *testing.F) {
	f.Add([]byte(goodList))
	files, _ := filepath.Glob("testdata/access/*.json")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := guard.ParseAccess(text)
		if err != nil {
			e, ok := errors.AsType[*guard.FileError](err)
			if !ok || e.Line < 1 || e.Column < 1 || e.Line > 1+strings.Count(string(text), "\n") || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("%q", err)
			}
			return
		}
		again, err := guard.NewAccess(a.Rules())
		if err != nil {
			t.Fatalf("the rules of a list make none: %v", err)
		}
		for _, id := range []auth.Identity{user(1000), called("token:alice"), called("")} {
			for _, verb := range auth.Verbs() {
				want := a.Explain(id, verb, "math", "add.two").Allowed
				if verb == auth.VerbAdminister || verb == auth.VerbJoin || verb == auth.VerbOwn {
					continue
				}
				if a.For(id).May(verb, "math", "add.two") != want || again.For(id).May(verb, "math", "add.two") != want {
					t.Fatalf("%s %s: not %v in %s", id.Name, verb, want, text)
				}
			}
		}
	})
}
