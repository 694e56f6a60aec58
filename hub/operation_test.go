// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// tryOpen is open that may fail.
func (p *party) tryOpen(name string, in any) (*session.Stream, error) {
	body, err := json.Marshal(in)
	must(p.t, err)
	x, err := p.s.Route(method(operation.Channel, name)).Open(p.t.Context(), wire.ServerStream, session.Message{Codec: json1, Payload: body})
	if err == nil {
		_, err = x.Recv(p.t.Context(), nil)
	}
	return x, err
}

// What a peer says in an operation is judged before it is believed.
func TestOperationsAreStrict(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", nil)
	call := func(op string, codec uint8, body string) error {
		_, err := p.s.Route(method("$", op)).Call(t.Context(), session.Message{Codec: codec, Payload: []byte(body)}, nil)
		return err
	}
	open := func(op string, shape wire.Shape, body string) error {
		x, err := p.s.Route(method("$", op)).Open(t.Context(), shape, session.Message{Codec: json1, Payload: []byte(body)})
		must(t, err)
		defer x.Cancel()
		_, err = x.Recv(patience(t), nil)
		return err
	}
	wantCode(t, call("dance", json1, "{}"), status.UnknownMethod)
	wantCode(t, call(operation.Join, 2, `{"channel":"ch"}`), status.InvalidArgument)
	wantCode(t, call(operation.Join, json1, `{"channel":`), status.InvalidArgument)
	wantCode(t, call(operation.Join, json1, `{"channel":7}`), status.InvalidArgument)
	wantCode(t, call(operation.Join, json1, `[]`), status.InvalidArgument)
	wantCode(t, call(operation.Join, json1, `{"channel":"ch"} {}`), status.InvalidArgument)
	wantCode(t, call(operation.Join, json1, `{"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), status.InvalidArgument)
	wantCode(t, call(operation.Join, json1, `{"channel":"`+strings.Repeat("x", 20<<10)+`"}`), status.TooLarge)
	wantCode(t, call(operation.Subscribe, json1, `{}`), status.WrongShape)
	wantCode(t, open(operation.Join, wire.ServerStream, `{"channel":"ch"}`), status.WrongShape)
	wantCode(t, open(operation.Subscribe, wire.Duplex, `{"channel":"ch","pattern":"t"}`), status.WrongShape)
	wantCode(t, open(operation.Subscribe, wire.ServerStream, `{"channel":"ch","pattern":"a.>.b"}`), status.InvalidArgument)
	wantCode(t, open(operation.Subscribe, wire.ServerStream, `{"channel":"ch","pattern":"a","policy":"panic"}`), status.InvalidArgument)
	wantCode(t, open(operation.Subscribe, wire.ServerStream, `{"channel":"ch","pattern":"a","queue":-1}`), status.InvalidArgument)
	wantCode(t, open(operation.Subscribe, wire.ServerStream, `{"channel":"$","pattern":"a"}`), status.PermissionDenied)
	wantCode(t, open(operation.Watch, wire.ServerStream, `{"channel":"$x"}`), status.InvalidArgument)
	must(t, call(operation.Join, json1, `{"channel":"ch","future":{"a":[1]},"s":"]]]]{{{{{{{"}`))
	wantCode(t, call(operation.Stop, json1, ""), status.PermissionDenied)
	must(t, call(operation.Status, 0, ""))
}

func TestStatus(t *testing.T) {
	h := newHouse(t, hub.Config{ID: "h1", Version: "v9", Endpoints: func() []string { return []string{"unix:///x"} }})
	p := h.join("p", nil)
	if p.s.Peer().ID != "h1" {
		t.Fatalf("the hub is %q", p.s.Peer().ID)
	}
	var st operation.HubStatus
	p.mustOp(operation.Status, operation.Empty{}, &st)
	if st.ID != "h1" || st.Kind != "hub" || st.Version != "v9" || st.Sessions != 1 || len(st.Endpoints) != 1 || st.PID == 0 {
		t.Fatalf("%+v", st)
	}
	if id := newHouse(t, hub.Config{}).h.ID(); !strings.HasPrefix(id, "hub-") || len(id) != 8 {
		t.Fatal(id)
	}
}

func TestStop(t *testing.T) {
	var h *house
	stopped := make(chan error, 2)
	h = newHouse(t, hub.Config{AllowStop: true, OnStop: func(drain time.Duration) {
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		_, err := h.h.Drain(ctx)
		stopped <- err
	}})
	p := h.join("p", nil)
	sub := p.subscribe("ch", ">")
	p.mustOp(operation.Stop, operation.StopRequest{Drain: 20}, nil)
	_, err := sub.Recv(patience(t), nil)
	wantCode(t, err, status.Unavailable)
	must(t, <-stopped)
	<-p.s.Done()
	_, err = h.tryJoin("late", nil)
	wantCode(t, err, status.Unavailable)
}

// Draining lets calls end and refuses new ones.
func TestDrain(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		running, release := make(chan struct{}), make(chan struct{})
		p := h.join("p", router(map[string]func(*session.Call){"wait": func(c *session.Call) {
			running <- struct{}{}
			<-release
			echo(c)
		}}))
		p.provide("ch", "wait")
		c := h.join("c", nil)
		call := c.s.Route(method("ch", "wait")).Go(t.Context(), session.Message{Payload: []byte("x")})
		<-running
		watch, _ := c.open(operation.Watch, operation.Place{})
		done := make(chan error, 1)
		go func() {
			cut, err := h.h.Drain(patience(t))
			if cut != 0 {
				t.Errorf("%d calls were cut", cut)
			}
			done <- err
		}()
		for err := error(nil); err == nil; { // the end of the watch comes with the GOAWAY
			_, err = watch.Recv(patience(t), nil)
		}
		for err := error(nil); status.CodeOf(err) != status.Unavailable; {
			_, err = c.call("ch", "nothing", "")
		}
		close(release)
		rep, err := call.Wait(patience(t))
		must(t, err)
		if string(rep.Payload) != "x" {
			t.Fatalf("%s", rep.Payload)
		}
		must(t, <-done)
		<-c.s.Done()
		<-p.s.Done()
	})
}

func TestDrainCutsAtItsEnd(t *testing.T) {
	h := newHouse(t, hub.Config{})
	running := make(chan struct{}, 1)
	h.join("p", router(map[string]func(*session.Call){"block": block(running)})).provide("ch", "block")
	c := h.join("c", nil)
	call := c.s.Route(method("ch", "block")).Go(t.Context(), session.Message{})
	<-running
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	cut, err := h.h.Drain(ctx)
	wantCode(t, err, status.DeadlineExceeded)
	if cut != 1 {
		t.Fatalf("%d calls were cut: a call is one, although two sessions know it", cut)
	}
	_, err = call.Wait(patience(t))
	wantCode(t, err, status.PeerGone)
}
