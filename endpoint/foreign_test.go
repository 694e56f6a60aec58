// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
)

func TestParseListOfHyper(t *testing.T) {
	const text = "tab.tcp://localhost:auto,tab.domain:///tmp/h/domain/x"
	list, err := endpoint.ParseList(text)
	want := []endpoint.Endpoint{parse(t, "tcp://localhost:0"), parse(t, "unix:///tmp/h/x")}
	if err != nil || !slices.Equal(list, want) {
		t.Fatalf("got %v, %v", list, err)
	}
	if back, err := endpoint.FormatList(list, endpoint.SpellingHyper); err != nil || back != text {
		t.Errorf("got %q, %v", back, err)
	}
	if mixed, err := endpoint.ParseList("demo, unix:///run/a%2Cb,\\\\.\\pipe\\x"); err != nil || len(mixed) != 3 {
		t.Errorf("got %v, %v", mixed, err)
	}
	for _, bad := range []string{"", "demo,", ",demo", "demo,tcp.grpc://h:1", "demo,,demo"} {
		if list, err := endpoint.ParseList(bad); err == nil {
			t.Errorf("ParseList(%q) = %v", bad, list)
		}
	}
	comma := []endpoint.Endpoint{parse(t, "unix:///run/a,b")}
	if text, err := endpoint.FormatList(comma, endpoint.SpellingPath); err == nil {
		t.Errorf("got %q", text)
	}
	if text, err := endpoint.FormatList(comma, endpoint.SpellingURL); err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestFormatRefusesWhatASpellingCannotSay(t *testing.T) {
	for _, c := range []struct {
		url string
		s   endpoint.Spelling
	}{
		{"tls://h:1", endpoint.SpellingHostPort}, // it would lose the protection
		{"tls://h:1", endpoint.SpellingHyper},
		{"unix://@x", endpoint.SpellingHyper},
		{"unix://@x", endpoint.SpellingPath},
		{"unix:///x", endpoint.SpellingHyper}, // no directory
		{"unix:///run/a%23b", endpoint.SpellingPath},
		{"unix:///run/a%20b", endpoint.SpellingDapper},
		{"tcp://h:0", endpoint.SpellingDapper},
		{"npipe://server/pipe/x", endpoint.SpellingDapper},
		{"unixpacket:///run/x", endpoint.SpellingPath},
		{"mem://x", endpoint.SpellingGRPC},
		{"tcp://h:1", endpoint.SpellingService},
		{"tcp://h:1", "klingon"},
	} {
		text, err := parse(t, c.url).Format(c.s)
		var parseError *endpoint.ParseError
		if !errors.As(err, &parseError) {
			t.Errorf("Format(%s) of %s = %q, %v", c.s, c.url, text, err)
		}
	}
	if text, err := parse(t, "unix:///run/x?mode=0660").Format(endpoint.SpellingPath); err != nil || text != "/run/x" {
		t.Errorf("got %q, %v", text, err)
	}
	if text, err := parse(t, "tcp://[::1]:1").Format(endpoint.SpellingZeroMQ); err != nil || text != "tcp://[::1]:1" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestDapperArgsAmongOthers(t *testing.T) {
	args := []string{"--program", "x.py", "--ipc-path", "/tmp/a b.sock", "--arg", "-v", "--ipc", "unix", "--", "--ipc", "tcp"}
	e, rest, err := endpoint.FromDapperArgs(args)
	if err != nil || e != parse(t, "unix:///tmp/a%20b.sock") {
		t.Fatalf("got %s, %v", e, err)
	}
	if want := []string{"--program", "x.py", "--arg", "-v", "--", "--ipc", "tcp"}; !slices.Equal(rest, want) {
		t.Errorf("rest %q", rest)
	}
	back, err := endpoint.DapperArgs(e)
	if want := []string{"--ipc", "unix", "--ipc-path", "/tmp/a b.sock"}; err != nil || !slices.Equal(back, want) {
		t.Errorf("got %q, %v", back, err)
	}
	if _, _, err := endpoint.FromDapperArgs([]string{"--program", "x.py"}); err == nil {
		t.Error("Dapper requires --ipc")
	}
	if _, err := endpoint.DapperArgs(parse(t, "mem://x")); err == nil {
		t.Error("mem was handed to another process")
	}
}
