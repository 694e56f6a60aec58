// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// calc has a method of every form.
type calc struct{}

func (calc) Add(_ context.Context, in [2]int) (int, error) { return in[0] + in[1], nil }

func (calc) Count(_ context.Context, n int, send func(int) error) error {
	for i := range n {
		if err := send(i); err != nil {
			return err
		}
	}
	return nil
}

func (calc) CountDown(_ context.Context, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for ; n > 0; n-- {
			if !yield(n, nil) {
				return
			}
		}
		yield(0, status.Errorf(status.FailedPrecondition, "lift-off"))
	}
}

func (calc) SumOf(_ context.Context, items iter.Seq2[int, error]) (int, error) {
	sum := 0
	for n, err := range items {
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func (calc) Double(_ context.Context, items iter.Seq2[int, error], send func(int) error) error {
	for n, err := range items {
		if err != nil {
			return err
		}
		if err := send(2 * n); err != nil {
			return err
		}
	}
	return nil
}

// Stubborn goes on after it was told to stop, as a range loop would not.
func (calc) Stubborn(_ context.Context, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		yield(n, nil)
		yield(n, status.Errorf(status.FailedPrecondition, "the end"))
		yield(n, nil)
		yield(n, status.Errorf(status.Internal, "after the end"))
	}
}

// Nothing returns no sequence.
func (calc) Nothing(context.Context, struct{}) iter.Seq2[int, error] { return nil }

// celsius encodes itself, by its pointer.
type celsius float64

func (c *celsius) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%v °C", float64(*c)), nil }

func (calc) Warm(_ context.Context, n int) (celsius, error) { return celsius(n), nil }

// Panics fails its call and nothing else.
func (calc) Panics(context.Context, int) (int, error) { panic("as you wish") }

func (calc) URLOf(_ context.Context, _ struct{}) (any, error) { return nil, nil }

func asJSON(v any) session.Message {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return session.Message{Codec: uint8(codec.IDJSON), Payload: b}
}

// call calls a method and returns the answer as text.
func call(t *testing.T, ch *service.Channel, name string, in any) (string, error) {
	t.Helper()
	rep, err := ch.Method(name).Call(t.Context(), asJSON(in), nil)
	return string(rep.Payload), err
}

// converse sends items to a stream and returns what came back, with the answer at the end.
func converse(t *testing.T, ch *service.Channel, name string, shape session.Shape, request any, items ...any) (string, error) {
	t.Helper()
	x, err := ch.Method(name).Open(t.Context(), shape, asJSON(request))
	must(t, err)
	defer x.Cancel()
	for _, i := range items {
		must(t, x.Send(t.Context(), asJSON(i)))
	}
	if shape != session.ServerStream {
		must(t, x.CloseSend())
	}
	var got []string
	for {
		item, err := x.Recv(t.Context(), nil)
		if err != nil {
			break
		}
		got = append(got, string(item.Payload))
	}
	rep, err := x.Reply(t.Context())
	return strings.Join(got, " ") + "|" + string(rep.Payload), err
}

func TestMethodsOfAValue(t *testing.T) {
	ch, _, far := pair(t, session.Config{})
	svc := service.New()
	must(t, svc.AddMethods(calc{}, map[string]string{"Add": "plus"}))
	_, err := svc.Attach(t.Context(), host{far})
	must(t, err)
	got, err := call(t, ch, "plus", []int{20, 22})
	must(t, err)
	if got != "42" {
		t.Fatal(got)
	}
	got, err = call(t, ch, "urlOf", struct{}{})
	must(t, err)
	if got != "null" {
		t.Fatal(got)
	}
	got, err = call(t, ch, "warm", 20)
	must(t, err)
	if got != `"20 °C"` {
		t.Fatal(got)
	}
	if _, err := call(t, ch, "panics", 1); !errors.Is(err, status.Internal) {
		t.Fatal(err)
	}
	if _, err := call(t, ch, "plus", "text"); !errors.Is(err, status.InvalidArgument) {
		t.Fatal(err)
	}
	if _, err := call(t, ch, "count", 3); !errors.Is(err, status.WrongShape) {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		shape   session.Shape
		request any
		items   []any
		want    string
		code    status.Code
	}{
		{"count", session.ServerStream, 3, nil, "0 1 2|", status.OK},
		{"countDown", session.ServerStream, 2, nil, "2 1|", status.FailedPrecondition},
		{"stubborn", session.ServerStream, 7, nil, "7|", status.FailedPrecondition},
		{"nothing", session.ServerStream, struct{}{}, nil, "|", status.OK},
		{"sumOf", session.ClientStream, nil, []any{1, 2, 3}, "|6", status.OK},
		{"sumOf", session.ClientStream, nil, []any{1, "x"}, "|", status.InvalidArgument},
		{"double", session.Duplex, nil, []any{1, 2}, "2 4|", status.OK},
	} {
		got, err := converse(t, ch, c.name, c.shape, c.request, c.items...)
		if status.CodeOf(err) != c.code || got != c.want {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, got, err, c.want, c.code)
		}
	}
}

// host is a server's side: a table without a session.
type host struct{ t *service.Table }

func (h host) Offer(_ context.Context, name string, terms service.Terms, f service.Handler) (*service.Registration, error) {
	remove, err := h.t.Handle("", name, terms, f)
	return service.NewRegistration(remove), err
}

func (h host) Declare(_ context.Context, name string, terms service.TopicTerms) (*service.Registration, error) {
	retract, err := h.t.Declare("", name, terms)
	return service.NewRegistration(retract), err
}

func (h host) Listen(name string, f func(service.Event)) *service.Listener {
	return h.t.Listen(func(_, event string) bool { return name == event }, f)
}

type noContext struct{}

func (noContext) Add(int) (int, error)                                               { return 0, nil }
func (noContext) Good(context.Context, int) (int, error)                             { return 0, nil }
func (noContext) Half(context.Context, int) int                                      { return 0 }
func (noContext) Loan(context.Context, *session.Loan) (int, error)                   { return 0, nil }
func (noContext) More(context.Context, int) (int, int, error)                        { return 0, 0, nil }
func (noContext) Seq(context.Context, int) iter.Seq[int]                             { return nil }
func (noContext) Send(context.Context, int, func(int)) error                         { return nil }
func (noContext) Twice(context.Context, iter.Seq2[int, error]) iter.Seq2[int, error] { return nil }
func (noContext) Spread(context.Context, ...int) (int, error)                        { return 0, nil }
func (noContext) None(context.Context) (int, error)                                  { return 0, nil }

type byPointer struct{}

func (*byPointer) Add(context.Context, int) (int, error) { return 0, nil }

func TestNoMethodIsPassedOver(t *testing.T) {
	svc := service.New()
	err := svc.AddMethods(noContext{}, map[string]string{"Nothing": "x"})
	for _, name := range []string{"Add", "Half", "Loan", "More", "Seq", "Send", "Twice", "Spread", "None", "Nothing"} {
		if err == nil || !strings.Contains(err.Error(), "method "+name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "Good") {
		t.Error(err)
	}
	for _, v := range []any{nil, byPointer{}, (*byPointer)(nil), struct{}{}, 7} {
		if err := svc.AddMethods(v, nil); !errors.Is(err, status.InvalidArgument) {
			t.Errorf("%T: %v", v, err)
		}
	}
	must(t, svc.AddMethods(&byPointer{}, nil))
	if err := svc.AddMethods(&byPointer{}, nil); !errors.Is(err, status.AlreadyExists) {
		t.Error(err)
	}
	if err := svc.AddMethods(&byPointer{}, map[string]string{"Add": "not a name/"}); !errors.Is(err, status.InvalidArgument) {
		t.Error(err)
	}
	// Of a value of which the second method is refused, the first does not stay.
	if err := svc.AddMethods(calc{}, map[string]string{"Add": "first", "Count": "add"}); !errors.Is(err, status.AlreadyExists) {
		t.Error(err)
	}
	must(t, svc.AddMethods(calc{}, map[string]string{"Add": "first"}))
}

func TestAttachFailsWhole(t *testing.T) {
	ch, _, far := pair(t, session.Config{})
	to := host{far}
	svc := service.New()
	svc.Listen("note", func(service.Event) {})
	svc.Listen("out", func(service.Event) {}).Close()
	_, err := svc.Offer(t.Context(), "one", service.Terms{}, echo)
	must(t, err)
	_, err = svc.Declare(t.Context(), "news", service.TopicTerms{Shared: true})
	must(t, err)
	two, err := svc.Offer(t.Context(), "two", service.Terms{}, echo)
	must(t, err)
	if _, err := svc.Offer(t.Context(), "two", service.Terms{}, echo); !errors.Is(err, status.AlreadyExists) {
		t.Fatal(err)
	}
	if _, err := svc.Declare(t.Context(), "news.*", service.TopicTerms{}); !errors.Is(err, status.InvalidArgument) {
		t.Fatal(err)
	}

	taken, err := to.Offer(t.Context(), "two", service.Terms{}, echo)
	must(t, err)
	_, err = svc.Attach(t.Context(), to)
	if !errors.Is(err, status.AlreadyExists) || !strings.Contains(err.Error(), `method "two"`) {
		t.Fatal(err)
	}
	if _, err := call(t, ch, "one", 1); !errors.Is(err, status.UnknownMethod) || far.Declared("", "news") {
		t.Fatal("something stayed:", err)
	}
	if target, err := far.Bind(nil, session.Bind{Class: session.ClassEvent, Name: "note"}); err == nil {
		t.Fatal("a listener stayed:", target)
	}

	must(t, taken.Close(t.Context()))
	reg, err := svc.Attach(t.Context(), to)
	must(t, err)
	if _, err := svc.Attach(t.Context(), to); !errors.Is(err, status.AlreadyExists) || !strings.Contains(err.Error(), `method "one"`) {
		t.Fatal(err)
	}
	for _, name := range []string{"note", "out"} {
		_, err := far.Bind(nil, session.Bind{Class: session.ClassEvent, Name: name})
		if listens := err == nil; listens != (name == "note") {
			t.Fatal(name, err)
		}
	}
	for _, name := range []string{"one", "two"} {
		if _, err := call(t, ch, name, 1); err != nil {
			t.Fatal(name, err)
		}
	}
	must(t, two.Close(t.Context())) // out of the collection, not of what is attached
	if _, err := call(t, ch, "two", 1); err != nil {
		t.Fatal(err)
	}
	must(t, reg.Close(t.Context()))
	must(t, reg.Close(t.Context()))
	for _, name := range []string{"one", "two"} {
		if _, err := call(t, ch, name, 1); !errors.Is(err, status.UnknownMethod) {
			t.Fatal(name, err)
		}
	}
	if far.Declared("", "news") {
		t.Fatal("the topic stayed")
	}
	_, err = svc.Attach(t.Context(), to)
	must(t, err)
	if _, err := call(t, ch, "two", 1); !errors.Is(err, status.UnknownMethod) {
		t.Fatal(err)
	}
}
