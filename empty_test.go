// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// TestNothing: what is empty is a value where it can be one, and an error with a sentence
// where it cannot; nobody stumbles over it.
func TestNothing(t *testing.T) {
	address := path(t)
	newHub(t, address)
	c, err := plexus.Dial(t.Context(), address, nil)
	must(t, err)
	defer c.Close()
	ch := c.Channel("quiet")

	// Payloads of no bytes, in all directions.
	_, err = plexus.Handle(ch, "echo", func(_ context.Context, in []byte) ([]byte, error) { return in, nil })
	must(t, err)
	for _, in := range [][]byte{nil, {}} {
		if out, err := plexus.Call[[]byte](t.Context(), ch, "echo", in); err != nil || len(out) != 0 {
			t.Errorf("a call with nothing: %q, %v", out, err)
		}
	}
	if out, err := plexus.Call[[]byte](t.Context(), c.Channel("quiet"), "echo", []byte(nil)); err != nil || len(out) != 0 {
		t.Errorf("%q, %v", out, err)
	}
	_, err = plexus.Declare(ch, "news")
	must(t, err)
	sub, err := plexus.Subscribe[[]byte](t.Context(), ch, "news")
	must(t, err)
	must(t, plexus.Publish(t.Context(), ch, "news", []byte(nil)))
	if p, err := sub.Next(t.Context()); err != nil || len(p.Value) != 0 {
		t.Errorf("a publication of nothing: %q, %v", p.Value, err)
	}

	// Names of no characters.
	_, errMethod := plexus.Call[[]byte](t.Context(), ch, "", []byte{})
	_, errTopic := plexus.Declare(ch, "")
	_, errPattern := plexus.Subscribe[[]byte](t.Context(), ch, "")
	_, errChannel := c.Channel("").Join(t.Context())
	for what, err := range map[string]error{"method": errMethod, "topic": errTopic, "pattern": errPattern, "channel": errChannel} {
		if !errors.Is(err, status.InvalidArgument) || !strings.Contains(err.Error(), "empty") {
			t.Errorf("an empty %s: %v", what, err)
		}
	}

	// Passwords and secrets of no bytes are none.
	if err := c.Channel("locked").Unlock(t.Context(), ""); status.CodeOf(err) == status.OK {
		t.Error("an empty password opens a channel")
	}
	if _, err := plexus.Listen(path(t), &plexus.ListenOptions{Secret: []byte{}}); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("a server with an empty secret: %v", err)
	}

	// A connection that says nothing, and one with a frame of no bytes.
	for _, said := range []string{"", "\x00\x00\x00\x00"} {
		raw, err := net.Dial("unix", strings.TrimPrefix(address, "unix://"))
		must(t, err)
		_, err = raw.Write([]byte(said))
		must(t, err)
		must(t, raw.Close())
	}
	if _, err := plexus.Call[[]byte](t.Context(), ch, "echo", []byte{}); err != nil {
		t.Error(err)
	}
}
