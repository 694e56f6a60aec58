// SPDX-License-Identifier: Apache-2.0

package hubtest

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/transport"
)

// Patience is how long anything here waits for what must come before it fails the test. In a
// bubble it costs no time.
const Patience = 20 * time.Second

// Main runs the tests of a package and ends the process; tests that passed fail if they
// have left a goroutine, a descriptor or a file of Plexus behind. TestMain calls it.
func Main(m *testing.M) { leak.Main(m) }

// Options tune a Hub. nil and the zero value are useful.
type Options struct {
	// Hub is the hub's own configuration.
	Hub hub.Config
	// Session is the hub's side of each connection: authentication, limits, heartbeat.
	Session session.Config
}

// Hub is a hub and the members that have joined it here. Its methods are safe for
// concurrent use, those that may fail the test from the test's goroutine only.
type Hub struct {
	*hub.Hub

	t       testing.TB
	session session.Config
	keeper  *session.Keeper // nil outside a bubble
	wg      sync.WaitGroup

	mu      sync.Mutex
	members []*Member
}

// New returns a Hub that is closed at the end of the test. o may be nil.
func New(t testing.TB, o *Options) *Hub {
	t.Helper()
	if o == nil {
		o = &Options{}
	}
	h := &Hub{Hub: hub.New(o.Hub), t: t, session: o.Session}
	if h.session.Keeper == nil && inBubble() {
		h.keeper = new(session.Keeper)
		h.session.Keeper = h.keeper
	}
	t.Cleanup(h.shut)
	return h
}

// inBubble reports whether the caller runs inside synctest.Test: elsewhere Wait panics.
func inBubble() (yes bool) {
	defer func() { _ = recover() }()
	synctest.Wait()
	return true
}

// Dial returns a member that has not connected yet: it does at its first use, or by
// Connect, whose error says why the hub refuses it. id "" lets the hub choose one. tune, if
// any, change how the client is made.
func (h *Hub) Dial(id string, tune ...func(*client.Config)) *Member {
	m := &Member{hub: h}
	cfg := client.Config{Dial: m.dial}
	cfg.Session.ID = id
	cfg.Session.Keeper = h.keeper
	for _, f := range tune {
		f(&cfg)
	}
	m.Client = client.New(cfg)
	h.mu.Lock()
	h.members = append(h.members, m)
	h.mu.Unlock()
	return m
}

// Join is Dial and Connect. The test ends if the hub refuses.
func (h *Hub) Join(id string, tune ...func(*client.Config)) *Member {
	h.t.Helper()
	m := h.Dial(id, tune...)
	ctx, cancel := h.patience()
	defer cancel()
	if err := m.Connect(ctx); err != nil {
		h.t.Fatalf("hubtest: %q cannot join: %v", id, err)
	}
	return m
}

// patience returns the time that one step may take.
func (h *Hub) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(h.t.Context(), Patience)
}

// Quiet returns when everything that was sent before has been dealt with by the hub, and
// what that sends by the members, as far as they are not stalled: nothing is under way any
// more. What a handler or listener of the test is still busy with is not waited for, outside
// a bubble; nor are publications that a subscriber has not taken. A script that loses or
// corrupts frames must be over.
func (h *Hub) Quiet() {
	h.t.Helper()
	ctx, cancel := h.patience()
	defer cancel()
	for before, calm := h.books(), 0; calm < 2; {
		for _, m := range h.all() {
			m.settle(ctx, h.t)
		}
		if h.keeper != nil {
			synctest.Wait()
		}
		after := h.books()
		if calm++; !reflect.DeepEqual(after, before) {
			calm = 0
		}
		before = after
	}
}

// books are the counters that stand still when nothing happens.
type books struct {
	status  operation.HubStatus
	pending int
}

func (h *Hub) books() books {
	b := books{status: h.Status()}
	b.status.Uptime, b.status.Endpoints = 0, nil
	for _, m := range h.all() {
		for _, s := range m.ends() {
			st := s.Stats()
			b.pending += st.Pending + st.Inbound
		}
	}
	return b
}

func (h *Hub) all() []*Member {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]*Member(nil), h.members...)
}

// serve lets a connection into the hub.
func (h *Hub) serve(ctx context.Context, m *Member, far transport.Conn) {
	a := h.Admission(h.session)
	defer a.Release()
	s, err := session.Accept(ctx, far, a.Config())
	if err != nil {
		return // the member is told as well
	}
	m.accepted(s)
	if _, err := a.Attach(s); err != nil {
		s.Close()
	}
}

// shut ends everything and looks at the books.
func (h *Hub) shut() {
	for _, m := range h.all() {
		m.heal()
		if !h.within(func() { m.Client.Close() }) {
			h.t.Errorf("hubtest: a handler or listener of %s has not ended: it should when its context or its session does", m.ID())
			return // what is left would only wait for it as well
		}
	}
	_ = h.Hub.Close() // always succeeds
	h.wg.Wait()
	for _, m := range h.all() {
		for _, s := range m.ends() {
			s.Wait()
		}
	}
	if h.keeper != nil {
		<-time.After(time.Second) // its goroutine goes home
	}
	if h.t.Failed() {
		return
	}
	for _, complaint := range Audit(h.Status()) {
		h.t.Error("hubtest: ", complaint)
	}
	if n := h.Status().Sessions; n > 0 {
		h.t.Errorf("hubtest: %d sessions are left at the end", n)
	}
}

// within reports whether f has returned in time.
func (h *Hub) within(f func()) bool {
	over := make(chan struct{})
	go func() {
		defer close(over)
		f()
	}()
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case <-over:
		return true
	case <-late.C:
		return false
	}
}

// Audit checks the accounts of a hub and returns what is wrong with them: each publication
// that had a receiver must have been delivered, wait, or have been dropped for a reason. They
// are exact when nothing is under way, see Hub.Quiet.
func Audit(s operation.HubStatus) (complaints []string) {
	dropped := uint64(0)
	for _, reason := range []string{"queue_full", "closed", "too_large", "refused", "barred"} {
		dropped += s.Dropped[reason]
	}
	if s.Matched != s.Delivered+s.Queued+dropped {
		complaints = append(complaints, fmt.Sprintf(
			"of %d publications for subscribers %d were delivered, %d wait and %d were dropped: %d are missing",
			s.Matched, s.Delivered, s.Queued, dropped, int64(s.Matched-s.Delivered-s.Queued-dropped)))
	}
	if s.Sessions == 0 && (s.Queued > 0 || s.Channels+s.Methods+s.Topics+s.Subscriptions > 0) {
		complaints = append(complaints, fmt.Sprintf(
			"nobody is there, but %d publications wait and %d channels, %d methods, %d topics, %d subscriptions exist",
			s.Queued, s.Channels, s.Methods, s.Topics, s.Subscriptions))
	}
	return complaints
}
