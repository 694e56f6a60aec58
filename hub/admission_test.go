// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
)

func TestIDs(t *testing.T) {
	h := newHouse(t, hub.Config{MaxMetadata: 100})
	seen := map[string]bool{}
	for range 20 {
		id := h.join("", nil).s.ID()
		if !regexp.MustCompile(`^m-[a-z2-9]{6}$`).MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	p := h.join("wanted", nil)
	if p.s.ID() != "wanted" {
		t.Fatal(p.s.ID())
	}
	_, err := h.tryJoin("wanted", nil)
	wantCode(t, err, status.AlreadyExists)
	for _, bad := range []string{"$hub", "a/b", "a\nb", " a"} {
		_, err := h.tryJoin(bad, nil)
		wantCode(t, err, status.InvalidArgument)
	}
	_, err = h.tryJoin("", &session.Config{Metadata: map[string]string{"k": strings.Repeat("x", 100)}})
	wantCode(t, err, status.LimitExceeded)
	gone := make(chan struct{})
	p.hubs.OnEnd(func(error) { close(gone) }) // after the hub's own
	p.s.Close()
	<-gone
	h.join("wanted", nil)
}

// 50 members want one id at the same time: one has it.
func TestOneOfManyGetsTheID(t *testing.T) {
	h := newHouse(t, hub.Config{})
	var wg sync.WaitGroup
	var won atomic.Int32
	for range 50 {
		wg.Go(func() {
			if _, err := h.tryJoin("king", nil); err == nil {
				won.Add(1)
			} else if !errors.Is(err, status.AlreadyExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d have it", won.Load())
	}
}

// An id is reserved from its admission until the handshake has failed; then it is free,
// and an owner that came by it in between keeps it.
func TestReservation(t *testing.T) {
	h := newHouse(t, hub.Config{})
	ctx := context.Background()
	a := h.h.Admission(session.Config{})
	id, err := a.Config().Admit(ctx, session.Peer{ID: "x"})
	must(t, err)
	if id != "x" {
		t.Fatal(id)
	}
	b := h.h.Admission(session.Config{})
	_, err = b.Config().Admit(ctx, session.Peer{ID: "x"})
	wantCode(t, err, status.AlreadyExists)
	b.Release()
	_, err = h.tryJoin("x", nil)
	wantCode(t, err, status.AlreadyExists)
	a.Release()
	owner := h.join("x", nil)
	a.Release()
	if _, err = a.Attach(owner.hubs); !errors.Is(err, status.FailedPrecondition) {
		t.Fatal(err)
	}
	wantIDs(t, owner.memberIDs(""), "x")
	_, err = a.Config().Admit(ctx, session.Peer{ID: "y"}) // too late
	wantCode(t, err, status.Unavailable)
	h.join("y", nil)
}

// base.Admit is asked first and may choose the id.
func TestBaseAdmit(t *testing.T) {
	h := newHouse(t, hub.Config{})
	h.base.Admit = func(_ context.Context, p session.Peer) (string, error) {
		if p.ID == "no" {
			return "", status.Errorf(status.PermissionDenied, "not you")
		}
		return "r-" + p.ID, nil
	}
	if id := h.join("a", nil).s.ID(); id != "r-a" {
		t.Fatal(id)
	}
	_, err := h.tryJoin("no", nil)
	wantCode(t, err, status.PermissionDenied)
}

// Embedded: a program is a member of its own hub over a pipe, and meets others there.
func TestInProcessMember(t *testing.T) {
	h := newHouse(t, hub.Config{})
	inside, a := mem.Pipe()
	adm := h.h.Admission(session.Config{})
	defer adm.Release()
	var accepted *session.Session
	done := make(chan error, 1)
	go func() {
		var err error
		if accepted, err = session.Accept(context.Background(), a, adm.Config()); err == nil {
			_, err = adm.Attach(accepted)
		}
		done <- err
	}()
	s, err := session.Dial(context.Background(), inside, &session.Config{ID: "self", Router: echoing.Router})
	must(t, err)
	must(t, <-done)
	defer func() { s.Close(); accepted.Close(); s.Wait(); accepted.Wait() }()
	self := &party{t: t, s: s}
	self.provide("ch", "echo")
	h.pipe = unixPipe(t)
	got, err := h.join("", nil).call("ch", "echo", "from outside")
	must(t, err)
	if got != "from outside" {
		t.Fatal(got)
	}
}

// A client that proves to be the same, with a newer session, takes the place of the one it has
// lost, at once; nobody else does.
func TestFencing(t *testing.T) {
	h := newHouse(t, hub.Config{})
	as := func(instance string, epoch uint64) *session.Config {
		return &session.Config{Instance: instance, Epoch: epoch}
	}
	old := h.join("me", as("0123", 7))
	old.provide("room", "add")
	for _, other := range []*session.Config{as("0123", 7), as("0123", 6), as("4567", 8), as("", 9)} {
		_, err := h.tryJoin("me", other)
		wantCode(t, err, status.AlreadyExists)
	}
	if err := old.s.Err(); err != nil {
		t.Fatal("the first session was ended:", err)
	}
	h.join("me", as("0123", 8)).provide("room", "add")
	<-old.s.Done()
	wantCode(t, old.s.Err(), status.Evicted)
}
