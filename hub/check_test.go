// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// short is a Validator that knows one keyword: {"maxLength":n} bounds the payload. It counts
// what it judges.
type short struct{ judged *atomic.Int64 }

func (s short) Compile(text json.RawMessage) (jsonschema.Judge, error) {
	var keyword struct{ MaxLength *int }
	if err := json.Unmarshal(text, &keyword); err != nil || keyword.MaxLength == nil {
		return nil, status.Errorf(status.InvalidArgument, "unusable")
	}
	return func(_ uint8, payload []byte) error {
		s.judged.Add(1)
		if len(payload) > *keyword.MaxLength {
			return jsonschema.Violation{Pointer: "/x", Reason: fmt.Sprint(len(payload), " bytes"), Keyword: "maxLength"}.Err("the value")
		}
		return nil
	}, nil
}

func checking(p schema.Policy) (hub.Config, *atomic.Int64) {
	judged := new(atomic.Int64)
	return hub.Config{Schemas: schema.Rules{Policy: p, Validator: short{judged}}}, judged
}

func most(n int) json.RawMessage { return fmt.Appendf(nil, `{"maxLength":%d}`, n) }

// misfits checks that an error tells of a violation.
func misfits(t *testing.T, err error, code status.Code, what string) {
	t.Helper()
	v, ok := jsonschema.ViolationOf(err)
	if !ok || status.CodeOf(err) != code || v.Pointer != "/x" || v.Keyword != "maxLength" || !strings.Contains(err.Error(), what) {
		t.Fatalf("%v, %+v; want %v of %s", err, v, code, what)
	}
}

func (p *party) offer(method string, shape wire.Shape, in, out json.RawMessage) {
	p.t.Helper()
	p.mustOp(operation.Provide, operation.Offer{Channel: "ch", Method: method, Shape: uint8(shape), Input: in, Output: out}, nil)
}

func TestRejectedCalls(t *testing.T) {
	cfg, _ := checking(schema.Reject)
	eachPipe(t, cfg, func(t *testing.T, h *house) {
		served := 0
		p := h.join("p", router(map[string]func(*session.Call){"double": func(c *session.Call) {
			served++
			c.Reply(session.Message{Codec: c.Codec, Payload: append(c.Payload, c.Payload...)})
		}}))
		c := h.join("c", nil)
		p.offer("double", wire.Unary, most(4), most(6))
		got, err := c.call("ch", "double", "abc")
		must(t, err)
		if got != "abcabc" {
			t.Fatal(got)
		}
		_, err = c.call("ch", "double", "abcde")
		misfits(t, err, status.InvalidArgument, "the request of ch/double does not fit")
		if served != 1 {
			t.Fatal("the provider saw it")
		}
		_, err = c.call("ch", "double", "abcd")
		misfits(t, err, status.Internal, "the answer of ch/double does not fit")
		// A target is no way around.
		_, err = c.s.Route(wire.Bind{Class: wire.ClassMethod, Channel: "ch", Name: "double", Target: "p"}).Call(patience(t), session.Message{Payload: []byte("abcde")}, nil)
		misfits(t, err, status.InvalidArgument, "the request")
		// A new schema takes the place of the old one, for routes that exist, too.
		p.offer("double", wire.Unary, most(8), nil)
		got, err = c.call("ch", "double", "abcde")
		must(t, err)
		if got != "abcdeabcde" || h.h.Status().Malformed != 3 {
			t.Fatal(got, h.h.Status().Malformed)
		}
		p.offer("double", wire.Unary, nil, nil)
		_, err = c.call("ch", "double", strings.Repeat("x", 100))
		must(t, err)
	})
}

// A route to a target that was used before the method was provided is judged as well.
func TestTargetIsJudgedFromTheFirstOffer(t *testing.T) {
	cfg, _ := checking(schema.Reject)
	h := newHouse(t, cfg)
	p, c := h.join("p", echoing), h.join("c", nil)
	p.mustOp(operation.Join, operation.Place{Channel: "ch"}, nil)
	r := c.s.Route(wire.Bind{Class: wire.ClassMethod, Channel: "ch", Name: "echo", Target: "p"})
	_, err := r.Call(patience(t), session.Message{Payload: []byte("long")}, nil)
	must(t, err)
	p.offer("echo", wire.Unary, most(1), nil)
	_, err = r.Call(patience(t), session.Message{Payload: []byte("long")}, nil)
	misfits(t, err, status.InvalidArgument, "the request")
}

// strict are streaming handlers that tell how their streams ended.
func strict(ended chan<- error) map[string]func(*session.Call) {
	return map[string]func(*session.Call){
		"sum": streams["sum"], "echoes": streams["echoes"],
		"flood": func(c *session.Call) {
			x, err := c.Stream()
			for n := 0; err == nil; n++ {
				err = x.Send(c.Context(), session.Message{Payload: make([]byte, n)})
			}
			ended <- err
			c.Fail(err)
		},
		"drain": func(c *session.Call) {
			x, err := c.Stream()
			for err == nil {
				_, err = x.Recv(c.Context(), nil)
			}
			ended <- err
			c.Fail(err)
		},
	}
}

func TestRejectedItems(t *testing.T) {
	cfg, _ := checking(schema.Reject)
	eachPipe(t, cfg, func(t *testing.T, h *house) {
		ended := make(chan error, 4)
		p := h.join("p", router(strict(ended)))
		c := h.join("c", nil)
		p.offer("sum", wire.ClientStream, most(3), most(1))
		p.offer("drain", wire.ClientStream, most(3), nil)
		p.offer("echoes", wire.Duplex, most(3), most(2))
		p.offer("flood", wire.ServerStream, most(3), most(5))
		open := func(name string, shape wire.Shape, request string) *session.Stream {
			x, err := c.s.Route(method("ch", name)).Open(patience(t), shape, session.Message{Payload: []byte(request)})
			must(t, err)
			return x
		}
		send := func(x *session.Stream, n int) {
			must(t, x.Send(patience(t), session.Message{Payload: make([]byte, n)}))
		}

		x := open("sum", wire.ClientStream, "the request of such a call is no item")
		send(x, 3)
		must(t, x.CloseSend())
		rep, err := x.Reply(patience(t))
		must(t, err)
		if string(rep.Payload) != "3" {
			t.Fatalf("%s", rep.Payload)
		}
		x = open("sum", wire.ClientStream, "")
		for range 4 {
			send(x, 3)
		}
		must(t, x.CloseSend())
		_, err = x.Reply(patience(t))
		misfits(t, err, status.Internal, "the answer of ch/sum") // "12" has two bytes

		x = open("drain", wire.ClientStream, "")
		send(x, 3)
		send(x, 4)
		_, err = x.Reply(patience(t))
		misfits(t, err, status.InvalidArgument, "an item sent to ch/drain")
		if err := <-ended; err == nil {
			t.Fatal("the provider was not told")
		}

		x = open("echoes", wire.Duplex, "")
		send(x, 2)
		_, err = x.Recv(patience(t), nil)
		must(t, err)
		send(x, 3)
		_, err = x.Recv(patience(t), nil)
		misfits(t, err, status.Internal, "an item from ch/echoes")

		x = open("flood", wire.ServerStream, "abcd")
		_, err = x.Recv(patience(t), nil)
		misfits(t, err, status.InvalidArgument, "the request of ch/flood")
		x = open("flood", wire.ServerStream, "abc")
		n := 0
		for err = nil; err == nil; n++ {
			_, err = x.Recv(patience(t), nil)
		}
		misfits(t, err, status.Internal, "an item from ch/flood")
		if n > 7 {
			t.Fatalf("%d items", n)
		}
		<-ended
		_, err = c.call("ch", "sum", "") // another shape than the offered one is the provider's to refuse
		if errors.Is(err, status.InvalidArgument) {
			t.Fatal(err)
		}
	})
}

func TestRejectedPublications(t *testing.T) {
	cfg, judged := checking(schema.Reject)
	eachPipe(t, cfg, func(t *testing.T, h *house) {
		judged.Store(0)
		p := h.join("p", nil)
		p.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Schema: most(3)}, nil)
		subs := []*session.Stream{h.join("s", nil).subscribe("ch", "t"), h.join("s2", nil).subscribe("ch", ">")}
		to := p.topic("ch", "t")
		must(t, p.emit(to, "one"))
		must(t, p.emit(to, "seven"))
		must(t, p.emit(to, "two"))
		p.mustOp(operation.Status, operation.Empty{}, nil) // its answer comes after the news
		err := p.emit(to, "lost")
		misfits(t, err, status.InvalidArgument, "the publication on ch/t")
		must(t, p.emit(to, "end"))
		for _, sub := range subs {
			for _, want := range []string{"one", "two", "end"} {
				item, err := sub.Recv(patience(t), nil)
				must(t, err)
				if string(item.Payload) != want {
					t.Fatalf("%q, want %q", item.Payload, want)
				}
			}
		}
		st := h.h.Status()
		if st.Dropped["malformed"] != 1 || st.Malformed != 1 || st.Delivered != st.Matched {
			t.Fatalf("%+v", st)
		}
		if n := judged.Load(); n != int64(st.Published) {
			t.Fatalf("%d judgements of %d publications to 2 subscribers: each is decoded once", n, st.Published)
		}
	})
}

// With warn everything goes on, is counted and logged; with off nothing is looked into.
func TestWarnAndOff(t *testing.T) {
	for policy, want := range map[schema.Policy]uint64{schema.Warn: 2, schema.Off: 0, "": 0} {
		cfg, judged := checking(policy)
		h := newHouse(t, cfg)
		p, c := h.join("p", echoing), h.join("c", nil)
		p.offer("echo", wire.Unary, most(1), most(1))
		_, err := c.call("ch", "echo", "long")
		must(t, err)
		if n := h.h.Status().Malformed; n != want || judged.Load() != int64(want) {
			t.Errorf("%s: %d, %d", policy, n, judged.Load())
		}
		p.offer("echo", wire.Unary, json.RawMessage(`{"unusable":true}`), nil) // told in the log
		_, err = c.call("ch", "echo", "long")
		must(t, err)
	}
}

func TestSchemasAreBounded(t *testing.T) {
	cfg, _ := checking(schema.Reject)
	cfg.MaxSchemasPerMember = 100 << 10
	h := newHouse(t, cfg)
	p := h.join("p", nil)
	offer := func(method string, in string) error {
		return p.op(operation.Provide, operation.Offer{Channel: "ch", Method: method, Input: json.RawMessage(in)}, nil)
	}
	for _, in := range []string{
		`{"unusable":true}`, `7`, `{"$ref":"https://example.com/x"}`, strings.Repeat(`{"not":`, 33) + "{}" + strings.Repeat("}", 33),
	} {
		wantCode(t, offer("m", in), status.InvalidArgument)
	}
	wantCode(t, offer("m", `"`+strings.Repeat("x", 1<<20)+`"`), status.TooLarge)
	wantCode(t, offer("m", `{"maxLength":1,"x":"`+strings.Repeat("x", 40<<10)+`"}`), status.TooLarge)
	_, err := p.s.Route(method("$", operation.Provide)).Call(t.Context(), session.Message{Codec: json1, Payload: []byte(`{"channel":"ch","method":"m","input":{"a":}}`)}, nil)
	wantCode(t, err, status.InvalidArgument)
	var list operation.ChannelList
	p.mustOp(operation.Channels, operation.Empty{}, &list)
	if len(list.Channels) != 0 {
		t.Fatalf("what was refused has left %+v", list)
	}
	long := `{"maxLength":1,"x":"` + strings.Repeat("x", 30<<10) + `"}`
	for i := range 3 {
		must(t, offer(fmt.Sprint("m", i), long))
	}
	wantCode(t, offer("m3", long), status.LimitExceeded)
	p.mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "m0"}, nil)
	must(t, offer("m3", long))
}

func TestExplore(t *testing.T) {
	h := newHouse(t, hub.Config{})
	p, c := h.join("p", echoing), h.join("c", nil)
	watch, _ := c.open(operation.Watch, operation.Place{Channel: "ch"})
	p.offer("echo", wire.Duplex, json.RawMessage(` { "type" : "string" } `), nil)
	p.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Shared: true, Schema: json.RawMessage(`{"type":"null"}`)}, nil)
	c.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Shared: true}, nil)
	var x operation.Exploration
	c.mustOp(operation.Explore, operation.Query{Channel: "ch", Schemas: true}, &x)
	text, err := json.Marshal(x)
	must(t, err)
	if want := `{"channel":"ch","owner":"p","methods":[{"name":"echo","shape":3,"providers":["p"],"described":true,"input":{"type":"string"}}],` +
		`"topics":[{"name":"t","shared":true,"owners":["p","c"],"described":true,"schema":{"type":"null"}}]}`; string(text) != want {
		t.Fatalf("%s\nwant %s", text, want)
	}
	wantCode(t, c.op(operation.Explore, operation.Query{Channel: "none"}, nil), status.NotFound)
	wantCode(t, c.op(operation.Explore, operation.Query{Channel: "ch", Name: "none"}, nil), status.NotFound)
	// A change is told.
	p.offer("echo", wire.Duplex, json.RawMessage(`{"type":"string"}`), nil) // the same
	p.offer("echo", wire.Duplex, json.RawMessage(`{"type":"number"}`), nil)
	p.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Shared: true}, nil)
	for _, want := range []string{"echo", "t"} {
		if n := next(t, watch, operation.NoticeSchema); n.Name != want || n.Member != "p" || n.Channel != "ch" {
			t.Fatalf("%+v", n)
		}
	}
	wantCode(t, c.op(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Shared: true, Schema: json.RawMessage("false")}, nil), status.AlreadyExists)
}

func TestRulesOfSchemas(t *testing.T) {
	for _, r := range []schema.Rules{{Policy: "maybe"}, {Policy: schema.Reject}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is taken", r)
				}
			}()
			hub.New(hub.Config{Schemas: r})
		}()
	}
}
