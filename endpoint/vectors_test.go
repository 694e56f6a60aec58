// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
)

// vector is one case of testdata/vectors.json, which other languages run too.
type vector struct {
	Input     string `json:"input"`
	Error     bool   `json:"error"`
	Reason    string `json:"reason"`
	Canonical string `json:"canonical"`
	Spelling  string `json:"spelling"`
	Written   string `json:"written"`

	Scheme  *string           `json:"scheme"`
	Host    *string           `json:"host"`
	Port    *int              `json:"port"`
	Path    *string           `json:"path"`
	Name    *string           `json:"name"`
	Address *string           `json:"address"`
	Options map[string]string `json:"options"`
}

type vectors struct {
	Note    string   `json:"note"`
	Parse   []vector `json:"parse"`
	Foreign []vector `json:"foreign"`
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	file, err := os.Open("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var v vectors
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Parse) == 0 || len(v.Foreign) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

func TestParseVectors(t *testing.T) {
	for _, v := range readVectors(t).Parse {
		e, err := endpoint.Parse(v.Input)
		if v.Error {
			checkRefused(t, v, e, err)
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q): %v", v.Input, err)
			continue
		}
		checkParts(t, v, e)
		checkRoundTrip(t, e)
	}
}

func TestForeignVectors(t *testing.T) {
	for _, v := range readVectors(t).Foreign {
		e, spelling, err := endpoint.ParseForeign(v.Input)
		if string(spelling) != v.Spelling {
			t.Errorf("ParseForeign(%q): spelling %q, want %q", v.Input, spelling, v.Spelling)
		}
		if v.Error {
			checkRefused(t, v, e, err)
			continue
		}
		if err != nil || e.String() != v.Canonical {
			t.Errorf("ParseForeign(%q) = %q, %v; want %q", v.Input, e, err, v.Canonical)
			continue
		}
		if text, err := e.Format(spelling); err != nil || text != v.Written {
			t.Errorf("Format(%q) of %s = %q, %v; want %q", spelling, e, text, err, v.Written)
		}
	}
}

// checkRefused also holds every message to one printable line with a reason.
func checkRefused(t *testing.T, v vector, e endpoint.Endpoint, err error) {
	t.Helper()
	var parse *endpoint.ParseError
	if !errors.As(err, &parse) || !e.IsZero() {
		t.Errorf("%q (%s): got %q, %v; want a ParseError", v.Input, v.Reason, e, err)
		return
	}
	if parse.Reason == "" || strings.ContainsAny(err.Error(), "\n\r\x00\x1b\u202e") {
		t.Errorf("%q: bad message %q", v.Input, err)
	}
}

func checkParts(t *testing.T, v vector, e endpoint.Endpoint) {
	t.Helper()
	equal := func(what string, got string, want *string) {
		t.Helper()
		if want != nil && got != *want {
			t.Errorf("Parse(%q): %s %q, want %q", v.Input, what, got, *want)
		}
	}
	equal("canonical", e.String(), &v.Canonical)
	equal("scheme", e.Scheme(), v.Scheme)
	equal("host", e.Host(), v.Host)
	equal("path", e.Path(), v.Path)
	equal("name", e.Name(), v.Name)
	equal("address", e.Address(), v.Address)
	if v.Port != nil && e.Port() != *v.Port {
		t.Errorf("Parse(%q): port %d, want %d", v.Input, e.Port(), *v.Port)
	}
	if v.Options != nil && !maps.Equal(maps.Collect(e.Options()), v.Options) {
		t.Errorf("Parse(%q): options %v, want %v", v.Input, maps.Collect(e.Options()), v.Options)
	}
}

// checkRoundTrip holds every law that an endpoint obeys.
func checkRoundTrip(t *testing.T, e endpoint.Endpoint) {
	t.Helper()
	if again, err := endpoint.Parse(e.String()); err != nil || again != e {
		t.Fatalf("Parse(%q) = %#v, %v; want %#v", e, again, err, e)
	}
	var decoded endpoint.Endpoint
	if text, _ := e.MarshalText(); decoded.UnmarshalText(text) != nil || decoded != e {
		t.Fatalf("text of %q decodes to %q", e, decoded)
	}
	bare := e
	for name := range e.Options() {
		var err error
		if bare, err = bare.WithOption(name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if strings.HasPrefix(e.Scheme(), "ws") && e.Port() == 0 {
		return // the one loss that Record documents
	}
	if again, err := endpoint.FromRecord(e.Record()); err != nil || again != bare {
		t.Fatalf("FromRecord(%+v) = %q, %v; want %q", e.Record(), again, err, bare)
	}
}
