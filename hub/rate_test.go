// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// A member may send so many messages a second, of whatever kind. What is too much is refused or
// dropped, counted, and told with how long to wait; others are not held up.
func TestRate(t *testing.T) {
	var now atomic.Int64
	h := newHouse(t, hub.Config{MaxRatePerMember: 10, Now: func() time.Time { return time.Unix(1000, now.Load()) }})
	p := h.join("p", echoing)
	p.provide("ch", "echo")
	fast, calm := h.join("fast", nil), h.join("calm", nil)
	tooFast := func(what string, err error) {
		t.Helper()
		wantCode(t, err, status.LimitExceeded)
		if l, ok := service.LimitOf(err); !ok || l.Name != "rate" || l.Of != "fast" || l.Bound != 10 || service.RetryAfter(err) != 100*time.Millisecond || !status.Retryable(err) {
			t.Errorf("%s: %v, %+v", what, err, l)
		}
	}
	for range 10 {
		_, err := fast.call("ch", "echo", "x")
		must(t, err)
	}
	_, err := fast.call("ch", "echo", "x")
	tooFast("a call", err)
	_, err = calm.call("ch", "echo", "x")
	must(t, err)

	r := fast.declare("ch2", "t", false)
	_, err = fast.acknowledged(r, numbered(0, 0))
	tooFast("an acknowledged publication", err)
	fast.joinChannel("ch")
	for kind, r := range map[string]*session.Route{
		"publication": r,
		"event":       fast.s.Route(wire.Bind{Class: wire.ClassEvent, Channel: "ch", Name: "echo"}),
		"broadcast":   fast.s.Route(wire.Bind{Class: wire.ClassBroadcast, Channel: "ch", Name: "x"}),
	} {
		must(t, fast.emit(r, "x")) // is dropped
		must(t, fast.s.Ping(t.Context()))
		tooFast(kind, fast.emit(r, "x"))
	}
	if d := h.h.Status().Dropped; d["too_fast"] != 2 || d["event_too_fast"] != 2 {
		t.Errorf("%v", d)
	}
	now.Add(int64(100 * time.Millisecond))
	_, err = fast.call("ch", "echo", "x")
	must(t, err)
	balance(t, h)
}
