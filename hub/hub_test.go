// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

const json1 = 1 // codec.IDJSON

// house is a hub with a way to come in.
type house struct {
	t    testing.TB
	h    *hub.Hub
	pipe func() (dialled, accepted transport.Conn)
	base session.Config // of the hub's side
}

func newHouse(t testing.TB, cfg hub.Config) *house {
	h := &house{t: t, h: hub.New(cfg), pipe: func() (transport.Conn, transport.Conn) { return mem.Pipe() }}
	t.Cleanup(func() { h.h.Close() })
	return h
}

// eachPipe runs a test over every sort of connection.
func eachPipe(t *testing.T, cfg hub.Config, f func(t *testing.T, h *house)) {
	t.Run("mem", func(t *testing.T) { f(t, newHouse(t, cfg)) })
	t.Run("unix", func(t *testing.T) {
		h := newHouse(t, cfg)
		h.pipe = unixPipe(t)
		f(t, h)
	})
}

func unixPipe(t testing.TB) func() (transport.Conn, transport.Conn) {
	dir, err := os.MkdirTemp("", "plexus")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	set := transport.NewSet(socket.New())
	ep, err := endpoint.Parse("unix://" + filepath.Join(dir, "s"))
	must(t, err)
	l, err := set.Listen(t.Context(), ep, nil)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return func() (transport.Conn, transport.Conn) {
		d, err := set.Dial(context.Background(), ep, nil)
		must(t, err)
		a, err := l.Accept()
		must(t, err)
		return d, a
	}
}

// party is a member, seen from its own side.
type party struct {
	t    testing.TB
	in   *house
	s    *session.Session
	hubs *session.Session // the hub's end
	conn transport.Conn

	hubConn transport.Conn
}

// join brings a member in. cfg may be nil.
func (h *house) join(id string, cfg *session.Config) *party {
	h.t.Helper()
	p, err := h.tryJoin(id, cfg)
	must(h.t, err)
	return p
}

func (h *house) tryJoin(id string, cfg *session.Config) (*party, error) {
	var c session.Config
	if cfg != nil {
		c = *cfg
	}
	c.ID = id
	d, a := h.pipe()
	type result struct {
		s   *session.Session
		err error
	}
	ch := make(chan result, 1)
	go func() {
		adm := h.h.Admission(h.base)
		defer adm.Release()
		s, err := session.Accept(context.Background(), a, adm.Config())
		if err == nil {
			_, err = adm.Attach(s)
		}
		ch <- result{s, err}
	}()
	s, err := session.Dial(context.Background(), d, &c)
	r := <-ch
	if err == nil {
		err = r.err
	}
	if err != nil {
		return nil, err
	}
	h.t.Cleanup(func() {
		s.Close()
		r.s.Close()
		s.Wait()
		r.s.Wait()
	})
	return &party{t: h.t, in: h, s: s, hubs: r.s, conn: d, hubConn: a}, nil
}

// raw is a member that writes its own frames, as a hostile one does.
type raw struct {
	t    testing.TB
	conn transport.Conn
	s    *session.Session
}

// rawJoin brings one in: the handshake is a proper one; frames go around the session.
func (h *house) rawJoin() *raw {
	p := h.join("", nil)
	return &raw{t: h.t, conn: p.conn, s: p.s}
}

func (r *raw) send(h wire.Header, payload []byte) {
	r.t.Helper()
	must(r.t, r.conn.Send(wire.AppendFrame(nil, h, nil, payload)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, code status.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("got %v, want %v", err, code)
	}
	if e := status.Convert(err); e.Message == "" {
		t.Fatalf("%v has no sentence", code)
	}
}

func method(channel, name string) wire.Bind {
	return wire.Bind{Class: wire.ClassMethod, Channel: channel, Name: name}
}

// op calls an operation and decodes its answer into out, which may be nil.
func (p *party) op(name string, in, out any) error {
	body, err := json.Marshal(in)
	must(p.t, err)
	rep, err := p.s.Route(method(operation.Channel, name)).Call(p.t.Context(), session.Message{Codec: json1, Payload: body}, nil)
	if err != nil || out == nil {
		return err
	}
	if rep.Codec != json1 {
		p.t.Errorf("%s is answered with codec %d", name, rep.Codec)
	}
	return json.Unmarshal(rep.Payload, out)
}

func (p *party) mustOp(name string, in, out any) {
	p.t.Helper()
	must(p.t, p.op(name, in, out))
}

func (p *party) provide(channel string, methods ...string) {
	p.t.Helper()
	for _, m := range methods {
		p.mustOp(operation.Provide, operation.Offer{Channel: channel, Method: m}, nil)
	}
}

func (p *party) call(channel, name, payload string) (string, error) {
	rep, err := p.s.Route(method(channel, name)).Call(p.t.Context(), session.Message{Payload: []byte(payload)}, nil)
	return string(rep.Payload), err
}

// open begins an operation that answers with a stream, and takes its Confirmation.
func (p *party) open(name string, in any) (*session.Stream, operation.Confirmation) {
	p.t.Helper()
	body, err := json.Marshal(in)
	must(p.t, err)
	x, err := p.s.Route(method(operation.Channel, name)).Open(p.t.Context(), wire.ServerStream, session.Message{Codec: json1, Payload: body})
	must(p.t, err)
	item, err := x.Recv(p.t.Context(), nil)
	must(p.t, err)
	var c operation.Confirmation
	must(p.t, json.Unmarshal(item.Payload, &c))
	if !c.Effective {
		p.t.Fatalf("%s is not in effect: %s", name, item.Payload)
	}
	return x, c
}

func (p *party) subscribe(channel, pattern string) *session.Stream {
	p.t.Helper()
	x, _ := p.open(operation.Subscribe, operation.Subscription{Channel: channel, Pattern: pattern})
	return x
}

func (p *party) declare(channel, name string, shared bool) *session.Route {
	p.t.Helper()
	p.mustOp(operation.Declare, operation.Topic{Channel: channel, Name: name, Shared: shared}, nil)
	return p.topic(channel, name)
}

func (p *party) topic(channel, name string) *session.Route {
	return p.s.Route(wire.Bind{Class: wire.ClassTopic, Channel: channel, Name: name})
}

func (p *party) emit(r *session.Route, payload string) error {
	return r.Emit(p.t.Context(), session.Message{Payload: []byte(payload)})
}

// next returns the next notice of a watch of one of the wanted types.
func next(t testing.TB, x *session.Stream, types ...string) operation.Notice {
	t.Helper()
	for {
		item, err := x.Recv(t.Context(), nil)
		must(t, err)
		var n operation.Notice
		must(t, json.Unmarshal(item.Payload, &n))
		for _, want := range types {
			if n.Type == want {
				return n
			}
		}
		if len(types) == 0 {
			return n
		}
	}
}

// serve is a Router made of functions by name of method; one-way messages go to got.
type serve struct {
	calls map[string]func(c *session.Call)
	got   chan arrival
}

// arrival is an event that has come to a party.
type arrival struct{ channel, name, from, payload string }

func (v serve) Bind(_ *session.Session, b wire.Bind) (session.Target, error) {
	if b.Class == wire.ClassMethod && v.calls[b.Name] == nil || b.Class != wire.ClassMethod && v.got == nil {
		return nil, status.Errorf(status.UnknownMethod, "no %s", session.Describe(b))
	}
	return served{b, v.calls[b.Name], v.got}, nil
}

type served struct {
	b    wire.Bind
	call func(c *session.Call)
	got  chan arrival
}

func (v served) Call(c *session.Call) { v.call(c) }
func (v served) Receive(s *session.Session, f *session.Frame) {
	v.got <- arrival{v.b.Channel, v.b.Name, s.SourceName(f.Source), string(f.Payload)}
}

func echo(c *session.Call) { c.Reply(session.Message{Codec: c.Codec, Payload: c.Payload}) }

var echoing = &session.Config{Router: serve{calls: map[string]func(*session.Call){"echo": echo}}}

// block is a handler that tells when it runs and waits for the end of its call.
func block(running chan<- struct{}) func(c *session.Call) {
	return func(c *session.Call) {
		ctx := c.Context()
		running <- struct{}{}
		<-ctx.Done()
		c.Fail(ctx.Err())
	}
}

// patience is how long a test waits for what must come.
func patience(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestFirstConversation(t *testing.T) {
	eachPipe(t, hub.Config{}, func(t *testing.T, h *house) {
		provider, caller := h.join("p", echoing), h.join("", nil)
		provider.provide("math", "echo")
		for range 50 {
			got, err := caller.call("math", "echo", "hello")
			must(t, err)
			if got != "hello" {
				t.Fatalf("got %q", got)
			}
		}
		_, err := caller.call("math", "nothing", "")
		wantCode(t, err, status.NoProvider)
		pub := provider.declare("math", "results.add", false)
		x := caller.subscribe("math", "results.*")
		must(t, provider.emit(pub, "42"))
		item, err := x.Recv(patience(t), nil)
		must(t, err)
		if string(item.Payload) != "42" || item.From.Name != "results.add" || item.From.Channel != "math" || caller.s.SourceName(item.Source) != "p" {
			t.Fatalf("got %+v from %s", item, caller.s.SourceName(item.Source))
		}
		x.Cancel()
		if _, err := x.Recv(patience(t), nil); !errors.Is(err, status.Cancelled) {
			t.Fatal(err)
		}
		st := h.h.Status()
		if st.Calls != 50 || st.Published != 1 || st.Sessions != 2 || st.Channels != 1 || st.Methods != 1 || st.Topics != 1 {
			t.Fatalf("status %+v", st)
		}
	})
}
