// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/plexus-ipc/plexus/endpoint"
)

// FuzzParse holds whatever Parse accepts to parse(print(x)) == x and to text that is safe to log.
func FuzzParse(f *testing.F) {
	for _, v := range readVectors(f).Parse {
		f.Add(v.Input)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := endpoint.Parse(text)
		if err != nil {
			checkMessage(t, err)
			return
		}
		checkSafe(t, e)
		checkRoundTrip(t, e)
	})
}

// FuzzForeign adds that what a spelling writes, it reads again.
func FuzzForeign(f *testing.F) {
	for _, v := range readVectors(f).Foreign {
		f.Add(v.Input)
	}
	spellings := []endpoint.Spelling{endpoint.SpellingURL, endpoint.SpellingHyper, endpoint.SpellingPipe, endpoint.SpellingPath,
		endpoint.SpellingHostPort, endpoint.SpellingGRPC, endpoint.SpellingZeroMQ, endpoint.SpellingDapper}
	f.Fuzz(func(t *testing.T, text string) {
		e, _, err := endpoint.ParseForeign(text)
		if err != nil {
			checkMessage(t, err)
			return
		}
		checkSafe(t, e)
		checkRoundTrip(t, e)
		for _, s := range spellings {
			checkSpelling(t, e, s)
		}
	})
}

func checkSpelling(t *testing.T, e endpoint.Endpoint, s endpoint.Spelling) {
	t.Helper()
	text, err := e.Format(s)
	if err != nil {
		return
	}
	want := e
	if s != endpoint.SpellingURL {
		for name := range e.Options() {
			want, _ = want.WithOption(name, "")
		}
	}
	if again, _, err := endpoint.ParseForeign(text); err != nil || again != want {
		t.Fatalf("%s in %s is %q, which reads as %s, %v", e, s, text, again, err)
	}
}

func checkSafe(t *testing.T, e endpoint.Endpoint) {
	t.Helper()
	for _, text := range []string{e.Host(), e.Path(), e.Name(), e.Address()} {
		if strings.ContainsFunc(text, unicode.IsControl) {
			t.Fatalf("control character in %q", text)
		}
	}
	for _, r := range e.String() {
		if r <= ' ' || r >= 0x7f {
			t.Fatalf("%q is not printable ASCII", e)
		}
	}
	if strings.Contains(e.Path()+"/", "/../") || strings.HasPrefix(e.Scheme(), "unix") && len(e.Path()) > 103 {
		t.Fatalf("bad path %q", e.Path())
	}
}

func checkMessage(t *testing.T, err error) {
	t.Helper()
	for _, r := range err.Error() {
		if unicode.IsControl(r) {
			t.Fatalf("control character in message %q", err)
		}
	}
}
