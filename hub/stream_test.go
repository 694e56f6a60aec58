// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// streams are handlers of all three shapes.
var streams = map[string]func(*session.Call){
	"count": func(c *session.Call) { // items 0, 1, 2 … of 100 bytes, as many as the request has bytes × 10
		n := 10 * len(c.Payload)
		x, err := c.Stream()
		for i := 0; i < n && err == nil; i++ {
			err = x.Send(c.Context(), session.Message{Codec: 9, Payload: append(make([]byte, 98), byte(i), byte(i>>8))})
		}
		if err != nil {
			c.Fail(err)
			return
		}
		c.Reply(session.Message{Codec: 8, Payload: []byte("done")})
	},
	"sum": func(c *session.Call) {
		x, _ := c.Stream()
		n := 0
		for {
			item, err := x.Recv(c.Context(), nil)
			if err == io.EOF {
				break
			}
			if err != nil {
				c.Fail(err)
				return
			}
			n += len(item.Payload)
		}
		c.Reply(session.Message{Payload: fmt.Append(nil, n)})
	},
	"echoes": func(c *session.Call) {
		x, _ := c.Stream()
		for {
			item, err := x.Recv(c.Context(), nil)
			if err == io.EOF {
				break
			}
			if err == nil {
				err = x.Send(c.Context(), session.Message{Payload: item.Payload})
			}
			if err != nil {
				c.Fail(err)
				return
			}
		}
		c.Reply(session.Message{})
	},
	"fails": func(c *session.Call) {
		x, _ := c.Stream()
		for range 10 {
			x.Send(c.Context(), session.Message{})
		}
		c.Fail(status.Errorf(status.Failed, "after ten"))
	},
}

// tryStreams runs a stream of each shape and checks what comes out.
func tryStreams(t *testing.T, c *party) {
	t.Helper()
	ctx := patience(t)
	x, err := c.s.Route(method("ch", "count")).Open(ctx, wire.ServerStream, session.Message{Payload: make([]byte, 30)})
	must(t, err)
	for i := range 300 {
		item, err := x.Recv(ctx, nil)
		must(t, err)
		if got := int(item.Payload[98]) | int(item.Payload[99])<<8; got != i || item.Codec != 9 || c.s.SourceName(item.Source) != "p" {
			t.Fatalf("item %d is %d with codec %d from %s", i, got, item.Codec, c.s.SourceName(item.Source))
		}
	}
	_, err = x.Recv(ctx, nil)
	rep, err2 := x.Reply(ctx)
	if err != io.EOF || err2 != nil || string(rep.Payload) != "done" || rep.Codec != 8 {
		t.Fatalf("%v, %v, %+v", err, err2, rep)
	}
	y, err := c.s.Route(method("ch", "sum")).Open(ctx, wire.ClientStream, session.Message{})
	must(t, err)
	for range 300 {
		must(t, y.Send(ctx, session.Message{Payload: make([]byte, 100)}))
	}
	must(t, y.CloseSend())
	rep, err = y.Reply(ctx)
	must(t, err)
	if string(rep.Payload) != "30000" {
		t.Fatalf("sum %s", rep.Payload)
	}
	z, err := c.s.Route(method("ch", "echoes")).Open(ctx, wire.Duplex, session.Message{})
	must(t, err)
	for i := range 100 {
		payload := make([]byte, i*100)
		must(t, z.Send(ctx, session.Message{Payload: payload}))
		item, err := z.Recv(ctx, nil)
		must(t, err)
		if len(item.Payload) != len(payload) {
			t.Fatalf("%d bytes, want %d", len(item.Payload), len(payload))
		}
	}
	must(t, z.CloseSend())
	_, err = z.Reply(ctx)
	must(t, err)
}

// Streams of every shape, with every relation of the windows of caller, hub and provider.
func TestStreams(t *testing.T) {
	sizes := []int{64, 1 << 10, 64 << 10}
	for _, hubs := range sizes {
		for _, callers := range sizes {
			for _, providers := range sizes {
				t.Run(fmt.Sprint(hubs, callers, providers), func(t *testing.T) {
					eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
						h.base.StreamWindow = hubs
						h.join("p", &session.Config{Router: serve{calls: streams}, StreamWindow: providers}).provide("ch", "count", "sum", "echoes")
						tryStreams(t, h.join("c", &session.Config{StreamWindow: callers}))
					})
				})
			}
		}
	}
}

func TestOwnStream(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p := h.join("p", &session.Config{Router: serve{calls: streams}})
	p.provide("ch", "count", "sum", "echoes")
	tryStreams(t, p)
}

// Items that were sent before a failure arrive before it.
func TestStreamFails(t *testing.T) {
	for _, window := range []int{64, 64 << 10} {
		h := newHouse(t, hub.Config{})
		h.join("p", &session.Config{Router: serve{calls: streams}}).provide("ch", "fails")
		x, err := h.join("", &session.Config{StreamWindow: window}).s.Route(method("ch", "fails")).Open(t.Context(), wire.ServerStream, session.Message{})
		must(t, err)
		for range 10 {
			_, err := x.Recv(patience(t), nil)
			must(t, err)
		}
		_, err = x.Recv(patience(t), nil)
		wantCode(t, err, status.Failed)
	}
}

// A consumer that does not read stops the producer, through the hub; another stream and
// calls on the same sessions go on.
func TestUnreadStreamStopsItsProducer(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		sent, stopped := make(chan struct{}, 1<<20), make(chan error, 1)
		calls := map[string]func(*session.Call){"flood": func(c *session.Call) {
			x, _ := c.Stream()
			for {
				if err := x.Send(c.Context(), session.Message{Payload: make([]byte, 1000)}); err != nil {
					stopped <- err
					c.Fail(err)
					return
				}
				sent <- struct{}{}
			}
		}, "echo": echo}
		p := h.join("p", router(calls))
		p.provide("ch", "flood", "echo")
		c := h.join("c", &session.Config{StreamWindow: 32 << 10})
		x, err := c.s.Route(method("ch", "flood")).Open(t.Context(), wire.ServerStream, session.Message{})
		must(t, err)
		_, err = x.Recv(patience(t), nil)
		must(t, err)
		for range 200 {
			_, err := c.call("ch", "echo", "x")
			must(t, err)
		}
		// The hub's window and the consumer's, at most.
		if n := len(sent); n > (session.DefaultStreamWindow+32<<10)/1000+2 {
			t.Fatalf("%d items are on their way", n)
		}
		x.Cancel()
		<-stopped // the producer is freed
	})
}

func TestProviderKilledInTheMiddleOfAStream(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		p := h.join("p", router(map[string]func(*session.Call){"s": func(c *session.Call) {
			x, _ := c.Stream()
			x.Send(c.Context(), session.Message{})
			<-c.Context().Done()
		}}))
		p.provide("ch", "s")
		x, err := h.join("", nil).s.Route(method("ch", "s")).Open(t.Context(), wire.Duplex, session.Message{})
		must(t, err)
		_, err = x.Recv(patience(t), nil)
		must(t, err)
		p.conn.Close()
		_, err = x.Recv(patience(t), nil)
		wantCode(t, err, status.PeerGone)
	})
}

func TestCallerKilledInTheMiddleOfAStream(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		ended := make(chan error, 1)
		p := h.join("p", router(map[string]func(*session.Call){"s": func(c *session.Call) {
			x, _ := c.Stream()
			x.Send(c.Context(), session.Message{})
			_, err := x.Recv(c.Context(), nil)
			ended <- err
			c.Fail(err)
		}}))
		p.provide("ch", "s")
		c := h.join("c", nil)
		x, err := c.s.Route(method("ch", "s")).Open(t.Context(), wire.Duplex, session.Message{})
		must(t, err)
		_, err = x.Recv(patience(t), nil)
		must(t, err)
		c.conn.Close()
		if err := <-ended; !errors.Is(err, status.Cancelled) {
			t.Fatal(err)
		}
	})
}

// finals is a Sink that notes how a call ended.
type finals chan error

func (finals) Item(*session.Frame)                 {}
func (f finals) Final(_ *session.Frame, err error) { f <- err }

// Who sends more than the credit allows is cut; nobody else notices but the other end.
func TestOverrunIsCut(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		ended := make(chan error, 1)
		p := h.join("p", router(map[string]func(*session.Call){
			"never": func(c *session.Call) { // takes nothing
				_, _ = c.Stream()
				<-c.Context().Done()
				ended <- c.Context().Err()
				c.Fail(c.Context().Err())
			},
			"echo": echo,
		}))
		p.provide("ch", "never", "echo")
		evil, good := h.join("evil", nil), h.join("good", nil)
		sink := make(finals, 1)
		id, err := evil.s.Route(method("ch", "never")).StartStream(t.Context(), wire.Duplex, 0, session.Message{}, sink)
		must(t, err)
		flood(evil.s, id)
		if err := <-sink; !errors.Is(err, status.Protocol) && !errors.Is(err, status.PeerGone) { // told, or found out
			t.Fatal(err)
		}
		<-ended
		_, err = good.call("ch", "echo", "x")
		must(t, err)
	})
}

func TestOverrunOfAProviderIsCut(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		evil := h.join("evil", router(map[string]func(*session.Call){"flood": func(c *session.Call) {
			c.Detach(nobody{})
			flood(c.Session(), c.ID)
		}}))
		evil.provide("ch", "flood")
		h.join("p", echoing).provide("ch2", "echo")
		c := h.join("c", nil)
		x, err := c.s.Route(method("ch", "flood")).Open(t.Context(), wire.ServerStream, session.Message{})
		must(t, err)
		<-evil.s.Done()
		for err == nil {
			_, err = x.Recv(patience(t), nil)
		}
		wantCode(t, err, status.PeerGone)
		_, err = c.call("ch2", "echo", "x")
		must(t, err)
	})
}

type nobody struct{}

func (nobody) Cancelled(*status.Error) {}

// flood sends items without looking at the credit.
func flood(s *session.Session, id uint32) {
	f := session.Frame{Payload: make([]byte, 60<<10)}
	for range 20 {
		s.Forward(id, &f)
	}
	s.FlushNow()
}
