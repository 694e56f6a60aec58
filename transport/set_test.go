// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestSet(t *testing.T) {
	first, second := mem.New(), mem.New()
	empty := transport.Set{}
	one := transport.NewSet(first)
	two := one.With(second)
	if d, err := one.Lookup("mem"); err != nil || d != first {
		t.Error("With changes its receiver:", err)
	}
	if d, err := two.Lookup("mem"); err != nil || d != second {
		t.Error("a later driver does not take the scheme:", err)
	}
	ep, err := endpoint.Parse("mem://x")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []transport.Set{empty, transport.NewSet()} {
		_, dial := s.Dial(t.Context(), ep, nil)
		_, listen := s.Listen(t.Context(), ep, nil)
		for _, err := range []error{dial, listen} {
			var te *transport.Error
			if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &te) || !strings.Contains(err.Error(), "it has none") {
				t.Error(err)
			}
		}
	}
	if _, err := two.Lookup("ftp"); err == nil || !strings.Contains(err.Error(), "it has mem") {
		t.Error(err)
	}
}

func TestErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"dial unix:///x: nobody listens there":                                                        &transport.Error{Op: "dial", Endpoint: "unix:///x", Err: transport.ErrNobody},
		"listen unix:///x: remove it: path is taken by something else":                                &transport.Error{Op: "listen", Endpoint: "unix:///x", Reason: "remove it", Err: transport.ErrForeign},
		"send tcp://h:1: slow down":                                                                   &transport.Error{Op: "send", Endpoint: "tcp://h:1", Reason: "slow down"},
		`transport: frame of 7 bytes announced, allowed are 8 to 69632 (starts with "\a\x00\x1b[2J")`: &transport.FrameError{Length: 7, Limit: transport.MaxFrame, Head: []byte("\a\x00\x1b[2J")},
	} {
		if err.Error() != want {
			t.Errorf("%q instead of %q", err, want)
		}
	}
}
