// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

type query struct {
	Words []string `json:"words"`
}

// offerAll offers a method of each shape, and a topic.
func offerAll(t *testing.T, p interface {
	plexus.Provider
	plexus.Declarer
}) {
	t.Helper()
	_, err := plexus.Handle(p, "add", add)
	must(t, err)
	_, err = plexus.HandleStream(p, "find", func(context.Context, query, func(string) error) error { return nil })
	must(t, err)
	_, err = plexus.HandleUpload(p, "sum", func(_ context.Context, items iter.Seq2[int8, error]) (float64, error) { return 0, nil })
	must(t, err)
	_, err = plexus.HandleDuplex(p, "talk", func(context.Context, *plexus.Duplex[bool, string]) error { return nil })
	must(t, err)
	_, err = plexus.Handle(p, "any", func(_ context.Context, in any) (any, error) { return in, nil })
	must(t, err)
	_, err = plexus.Handle(p, "quiet", add, service.WithoutSchema())
	must(t, err)
	_, err = plexus.Handle(p, "own", add, service.WithSchema(json.RawMessage(`{ "title": "two numbers" }`), nil))
	must(t, err)
	_, err = plexus.Declare(p, "news", plexus.WithShared(), service.WithSchema(json.RawMessage(`{"type":"string"}`), nil))
	must(t, err)
}

const (
	addSchema = `{"type":"object","properties":{"A":{"type":"integer"},"B":{"type":"integer"}},"required":["A","B"]}`
	sumSchema = `{"type":"object","properties":{"Sum":{"type":"integer"}},"required":["Sum"]}`
)

// checkAll checks what a channel with all these tells of itself.
func checkAll(t *testing.T, x operation.Exploration) {
	t.Helper()
	want := []operation.MethodInfo{
		{Name: "add", Input: json.RawMessage(addSchema), Output: json.RawMessage(sumSchema)},
		{Name: "any"},
		{Name: "find", Shape: uint8(session.ServerStream), Input: json.RawMessage(`{"type":"object","properties":{"words":` +
			`{"type":["array","null"],"items":{"type":"string"}}},"required":["words"]}`), Output: json.RawMessage(`{"type":"string"}`)},
		{Name: "own", Input: json.RawMessage(`{"title":"two numbers"}`)},
		{Name: "quiet"},
		{Name: "sum", Shape: uint8(session.ClientStream), Input: json.RawMessage(`{"type":"integer","minimum":-128,"maximum":127}`), Output: json.RawMessage(`{"type":"number"}`)},
		{Name: "talk", Shape: uint8(session.Duplex), Input: json.RawMessage(`{"type":"string"}`), Output: json.RawMessage(`{"type":"boolean"}`)},
	}
	if len(x.Methods) != len(want) || len(x.Topics) != 1 {
		t.Fatalf("%+v", x)
	}
	for i, w := range want {
		m := x.Methods[i]
		if m.Name != w.Name || m.Shape != w.Shape || string(m.Input) != string(w.Input) || string(m.Output) != string(w.Output) || m.Described != (len(w.Input)+len(w.Output) > 0) {
			t.Errorf("%+v (%s, %s), want %+v", m, m.Input, m.Output, w)
		}
	}
	if n := x.Topics[0]; n.Name != "news" || !n.Shared || string(n.Schema) != `{"type":"string"}` {
		t.Errorf("%+v", n)
	}
}

func TestExploreDirect(t *testing.T) {
	direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) {
		offerAll(t, srv)
		x, err := c.Explore(t.Context(), "")
		must(t, err)
		checkAll(t, x)
		x, err = c.Explore(t.Context(), "add")
		must(t, err)
		if len(x.Methods) != 1 || len(x.Topics) != 0 {
			t.Errorf("%+v", x)
		}
		_, err = c.Explore(t.Context(), "none")
		if !errors.Is(err, status.NotFound) {
			t.Error(err)
		}
	})
}

func TestExploreHub(t *testing.T) {
	_, p := connect(t, "mem://explore", &plexus.ListenOptions{Hub: hub.New(hub.Config{})}, &plexus.DialOptions{ID: "p"})
	c, err := plexus.Dial(t.Context(), "mem://explore", nil)
	must(t, err)
	defer c.Close()
	offerAll(t, p.Channel("ch"))
	x, err := c.Channel("ch").Explore(t.Context(), "")
	must(t, err)
	checkAll(t, x)
	if x.Owner != "p" || x.Methods[0].Providers[0] != "p" || x.Topics[0].Owners[0] != "p" {
		t.Errorf("%+v", x)
	}
	// Withdrawing carries no schemas, which would be too long for it.
	long := service.WithSchema(json.RawMessage(`{"title":"`+strings.Repeat("x", 30<<10)+`"}`), json.RawMessage(`{"title":"`+strings.Repeat("y", 30<<10)+`"}`))
	reg, err := plexus.Handle(p.Channel("ch"), "long", add, long)
	must(t, err)
	must(t, reg.Close(t.Context()))
}

// What is no schema is refused where it is announced, before anything is registered.
func TestBadSchema(t *testing.T) {
	direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) {
		for _, bad := range []string{"7", "{", `{"$ref":"http://x/y"}`, strings.Repeat("[", 50), `{"title":"` + strings.Repeat("x", 1<<20) + `"}`} {
			for _, p := range []interface {
				plexus.Provider
				plexus.Declarer
			}{srv, c} {
				_, err := plexus.Handle(p, "m", add, service.WithSchema(nil, json.RawMessage(bad)))
				_, err2 := plexus.Declare(p, "t", service.WithSchema(json.RawMessage(bad), nil))
				for _, err := range []error{err, err2} {
					if !errors.Is(err, status.InvalidArgument) && !errors.Is(err, status.TooLarge) {
						t.Errorf("%.30s: %v", bad, err)
					}
				}
			}
		}
		_, err := plexus.Handle(srv, "m", add)
		must(t, err)
	})
}

// even is a Validator whose judges want payloads of even length.
type even struct{}

func (even) Compile(schema json.RawMessage) (jsonschema.Judge, error) {
	if strings.Contains(string(schema), "unusable") {
		return nil, errors.New("unusable")
	}
	return func(_ uint8, payload []byte) error {
		if len(payload)%2 != 0 {
			return jsonschema.Violation{Pointer: "/odd", Reason: "it is odd"}.Err("the value")
		}
		return nil
	}, nil
}

// A provider with a Validator judges what it is sent, in all shapes, before its handler runs.
func TestProviderValidates(t *testing.T) {
	srv, c := connect(t, "mem://validates", nil, nil)
	opts := []plexus.Option{service.WithValidator(even{}), service.WithSchema(json.RawMessage(`{"type":"string"}`), nil)}
	_, err := plexus.Handle(srv, "call", func(_ context.Context, s string) (string, error) { return s, nil }, opts...)
	must(t, err)
	_, err = plexus.HandleStream(srv, "stream", func(_ context.Context, s string, send func(string) error) error { return send(s) }, opts...)
	must(t, err)
	_, err = plexus.HandleUpload(srv, "upload", func(_ context.Context, items iter.Seq2[string, error]) (n int, err error) {
		for _, err := range items {
			if err != nil {
				return 0, err
			}
			n++
		}
		return n, nil
	}, opts...)
	must(t, err)
	odd := func(what string, err error) {
		t.Helper()
		v, ok := jsonschema.ViolationOf(err)
		if !ok || v.Pointer != "/odd" || v.Subject != jsonschema.Input || !errors.Is(err, status.InvalidArgument) || !strings.Contains(err.Error(), "the request") {
			t.Errorf("%s: %v, %+v", what, err, v)
		}
	}
	ctx := t.Context()
	out, err := plexus.Call[string](ctx, c, "call", "even")
	must(t, err)
	if out != "even" {
		t.Error(out)
	}
	_, err = plexus.Call[string](ctx, c, "call", "odd")
	odd("call", err)
	for _, err = range plexus.Stream[string](ctx, c, "stream", "odd") {
	}
	odd("stream", err)
	up, err := plexus.OpenUpload[string, int](ctx, c, "upload")
	must(t, err)
	must(t, up.Send(ctx, "even"))
	must(t, up.Send(ctx, "odd"))
	_, err = up.Finish(ctx)
	odd("upload", err)
	_, err = plexus.Handle(srv, "unusable", add, service.WithValidator(even{}), service.WithSchema(json.RawMessage(`{"title":"unusable"}`), nil))
	if !errors.Is(err, status.InvalidArgument) {
		t.Error(err)
	}
}
