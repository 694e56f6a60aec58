// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// whole is a service with everything that can be in one; what its listeners hear goes to heard.
func whole(t *testing.T, heard chan<- string) *service.Service {
	t.Helper()
	svc := service.New()
	var errs []error
	reg := func(_ *plexus.Registration, err error) { errs = append(errs, err) }
	reg(plexus.Handle(svc, "add", add))
	reg(plexus.HandleStream(svc, "count", func(_ context.Context, n int, send func(int) error) error {
		for i := range n {
			if err := send(i); err != nil {
				return err
			}
		}
		return nil
	}))
	reg(plexus.HandleUpload(svc, "total", func(_ context.Context, items iter.Seq2[int, error]) (int, error) {
		sum := 0
		for n, err := range items {
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	}))
	reg(plexus.HandleDuplex(svc, "echo", echoes))
	reg(plexus.Declare(svc, "news", plexus.WithShared()))
	plexus.On(svc, "note", func(_ context.Context, s string) { heard <- s })
	must(t, errors.Join(errs...))
	return svc
}

// echoes sends back what it gets.
func echoes(ctx context.Context, d *plexus.Duplex[string, string]) error {
	for s, err := range d.All(ctx) {
		if err != nil {
			return err
		}
		if err := d.Send(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// uses uses everything that whole offers.
func uses(t *testing.T, c interface {
	plexus.Caller
	plexus.Subscriber
	plexus.Publisher
}) {
	t.Helper()
	ctx := t.Context()
	sum, err := plexus.Call[Sum](ctx, c, "add", Add{1, 2})
	must(t, err)
	got := int(sum.Sum)
	for n, err := range plexus.Stream[int](ctx, c, "count", 4) {
		must(t, err)
		got += n
	}
	up, err := plexus.OpenUpload[int, int](ctx, c, "total")
	must(t, err)
	must(t, up.Send(ctx, 33))
	n, err := up.Finish(ctx)
	must(t, err)
	if got+n != 42 {
		t.Fatal(got, n)
	}
	d, err := plexus.Open[string, string](ctx, c, "echo")
	must(t, err)
	defer d.Close()
	must(t, d.Send(ctx, "ho"))
	s, err := d.Recv(ctx)
	must(t, err)
	sub, err := plexus.Subscribe[string](ctx, c, "news")
	must(t, err)
	defer sub.Close()
	err = plexus.Publish(ctx, c, "news", s)
	if errors.Is(err, status.Undeclared) { // it was, since the last time: now it is asked for anew
		err = plexus.Publish(ctx, c, "news", s)
	}
	must(t, err)
	p, err := sub.Next(ctx)
	must(t, err)
	if p.Value != "ho" {
		t.Fatal(p)
	}
}

func TestServiceAtAServer(t *testing.T) {
	direct(t, func(t *testing.T, srv *plexus.Server, c *plexus.Client) {
		heard := make(chan string, 1)
		svc := whole(t, heard)
		reg, err := svc.Attach(t.Context(), srv)
		must(t, err)
		uses(t, c)
		must(t, plexus.Send(t.Context(), c, "note", "hello"))
		if s := <-heard; s != "hello" {
			t.Fatal(s)
		}
		must(t, reg.Close(t.Context()))
		if _, err := plexus.Call[Sum](t.Context(), c, "add", Add{1, 2}); !errors.Is(err, status.UnknownMethod) {
			t.Fatal(err)
		}
		// The client may offer the same to the server.
		_, err = svc.Attach(t.Context(), c)
		must(t, err)
		uses(t, peerOf(srv))
	})
}

// hubAt serves a hub and returns what makes clients of it.
func hubAt(t *testing.T, address string) (*plexus.Server, func(id string) *plexus.Client) {
	t.Helper()
	srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	must(t, err)
	t.Cleanup(func() { srv.Close() })
	return srv, func(id string) *plexus.Client {
		c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{ID: id})
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
}

// A service is attached to a channel of a hub, refused as a whole where one name is taken,
// withdrawn as a whole, and attached again by another client after the first was cut.
func TestServiceInAHub(t *testing.T) {
	srv, dial := hubAt(t, path(t))
	ctx := t.Context()
	heard := make(chan string, 1)
	svc := whole(t, heard)
	if _, err := svc.Attach(ctx, srv); !errors.Is(err, status.FailedPrecondition) { // there is nobody to offer it to
		t.Fatal(err)
	}
	first, user := dial(""), dial("").Channel("room")

	_, err := plexus.HandleDuplex(user, "echo", echoes)
	must(t, err)
	_, err = svc.Attach(ctx, first.Channel("room"))
	if !errors.Is(err, status.AlreadyExists) || !strings.Contains(err.Error(), `method "echo"`) {
		t.Fatal(err)
	}
	x, err := user.Explore(ctx, "")
	must(t, err)
	if len(x.Methods) != 1 || len(x.Topics) != 0 {
		t.Fatalf("something stayed: %+v", x)
	}
	must(t, user.Leave(ctx))

	// Closing what the first attachment left there makes room for another.
	reg, err := svc.Attach(ctx, first.Channel("other"))
	must(t, err)
	other := dial("").Channel("other")
	uses(t, other)
	_, err = other.Join(ctx)
	must(t, err)
	must(t, plexus.Broadcast(ctx, other, "note", "to all"))
	if s := <-heard; s != "to all" {
		t.Fatal(s)
	}
	must(t, reg.Close(ctx))
	if x, err = other.Explore(ctx, ""); err != nil || len(x.Methods)+len(x.Topics) != 0 {
		t.Fatalf("something stayed: %+v, %v", x, err)
	}

	reg, err = svc.Attach(ctx, first.Channel("other"))
	must(t, err)
	gone, err := other.Watch(ctx)
	must(t, err)
	srv.Peer(first.ID()).Conversation().Close() // the cut
	<-first.Done()
	for {
		n, err := service.NextNotice(ctx, gone)
		must(t, err)
		if n.Member == first.ID() && n.Type == operation.NoticeLeave {
			break
		}
	}
	if _, err := svc.Attach(ctx, first.Channel("other")); err == nil || !strings.Contains(err.Error(), `method "add" is not attached`) {
		t.Fatal(err)
	}
	must(t, reg.Close(ctx)) // the end of the session has withdrawn it already
	_, err = svc.Attach(ctx, dial("").Channel("other"))
	must(t, err)
	uses(t, other)
}

func TestFailuresWithoutACaller(t *testing.T) {
	told := make(chan error, 10)
	srv, c := connect(t, path(t), &plexus.ListenOptions{OnError: func(err error) { told <- err }}, nil)
	ctx := t.Context()
	heard := make(chan int, 1)
	plexus.On(srv, "age", func(_ context.Context, n int) {
		if n < 0 {
			panic("not born")
		}
		heard <- n
	})
	own := make(chan error, 1)
	plexus.On(srv, "size", func(context.Context, int) {}, service.WithOnError(func(err error) { own <- err }))
	must(t, plexus.Send(ctx, c, "age", "thirty"))
	if err := <-told; !errors.Is(err, status.InvalidArgument) || !strings.Contains(err.Error(), `event "age"`) {
		t.Fatal(err)
	}
	must(t, plexus.Send(ctx, c, "age", -1))
	if err := <-told; !errors.Is(err, status.Internal) || !strings.Contains(err.Error(), "not born") {
		t.Fatal(err)
	}
	must(t, plexus.Send(ctx, c, "age", 30))
	if n := <-heard; n != 30 {
		t.Fatal(n)
	}
	must(t, plexus.Send(ctx, c, "size", "big"))
	if err := <-own; !errors.Is(err, status.InvalidArgument) {
		t.Fatal(err)
	}
	gone := plexus.On(srv, "gone", func(_ context.Context, n int) { heard <- n })
	must(t, plexus.Send(ctx, c, "gone", 1))
	<-heard
	gone.Close()
	must(t, plexus.Send(ctx, c, "gone", 2))
	if err := <-told; !errors.Is(err, status.UnknownMethod) {
		t.Fatal(err)
	}
	if len(told)+len(own) > 0 {
		t.Fatal("told twice")
	}
}

type adder struct{}

func (adder) Add(ctx context.Context, in Add) (Sum, error) { return add(ctx, in) }

func (adder) Reverse(_ context.Context, b []byte) ([]byte, error) {
	slices.Reverse(b)
	return b, nil
}

func (adder) Caller(ctx context.Context, _ any) (string, error) {
	e, _ := plexus.EnvelopeOf(ctx)
	return e.Sender, nil
}

// The methods of a value speak every codec, announce their schemas and judge by them.
func TestMethodsOfAValueInEveryCodec(t *testing.T) {
	srv, c := connect(t, path(t), nil, &plexus.DialOptions{ID: "alice"})
	ctx := t.Context()
	svc := service.New()
	must(t, svc.AddMethods(adder{}, nil))
	_, err := svc.Attach(ctx, srv)
	must(t, err)
	for _, cd := range []codec.Codec{codec.JSON{}, codec.Fixed{}} {
		sum, err := plexus.Call[Sum](ctx, c, "add", Add{20, 22}, plexus.WithCodec(cd))
		must(t, err)
		if sum.Sum != 42 {
			t.Fatal(sum)
		}
	}
	b, err := plexus.Call[[]byte](ctx, c, "reverse", []byte("abc"))
	must(t, err)
	who, err := plexus.Call[string](ctx, c, "caller", struct{}{})
	must(t, err)
	if string(b) != "cba" || who != "alice" {
		t.Fatal(string(b), who)
	}
	x, err := c.Explore(ctx, "add")
	must(t, err)
	if len(x.Methods) != 1 || !strings.Contains(string(x.Methods[0].Input), `"A"`) {
		t.Fatalf("%+v", x)
	}
	other := service.New()
	judged := json.RawMessage(`{"title":"a request"}`)
	must(t, other.AddMethods(adder{}, map[string]string{"Add": "judged", "Reverse": "", "Caller": ""}, service.WithSchema(judged, nil), service.WithValidator(even{})))
	_, err = other.Attach(ctx, srv)
	must(t, err)
	if _, err := plexus.Call[Sum](ctx, c, "judged", Add{1, 2}); !errors.Is(err, status.InvalidArgument) {
		t.Fatal(err)
	}
}
