// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/seal"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// sealedWorld is a hub, some members with keys, and what the hub sees of them.
type sealedWorld struct {
	t       *testing.T
	hub     *hubtest.Hub
	ring    *seal.Ring
	ids     map[string]*seal.Identity
	members map[string]*hubtest.Member
	tamper  atomic.Bool // the hub changes the last byte of what it sends

	mu   sync.Mutex
	seen []byte
}

func newSealedWorld(t *testing.T, o *hubtest.Options, names ...string) *sealedWorld {
	t.Helper()
	w := &sealedWorld{
		t: t, hub: hubtest.New(t, o), ring: seal.NewRing(), ids: make(map[string]*seal.Identity), members: make(map[string]*hubtest.Member),
	}
	for _, n := range names {
		id, err := seal.Generate(seal.X25519)
		must(t, err)
		must(t, w.ring.Add(n, id.Public()))
		w.ids[n] = id
		w.members[n] = w.hub.Join(n, func(c *client.Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context) (transport.Conn, error) {
				conn, err := dial(ctx)
				return tapped{conn, w}, err
			}
		})
	}
	return w
}

// tapped is the line between a member and the hub: whatever goes by is what the hub has.
type tapped struct {
	c transport.Conn
	w *sealedWorld
}

func (c tapped) Send(p []byte) error {
	c.w.note(p)
	return c.c.Send(p)
}

func (c tapped) Recv() (*transport.Buffer, error) {
	b, err := c.c.Recv()
	if err != nil {
		return b, err
	}
	c.w.note(b.Bytes())
	if c.w.tamper.Load() && b.Len() > 150 {
		p := bytes.Clone(b.Bytes())
		b.Release()
		p[len(p)-9] ^= 1 // within the tag, before what padding there may be
		return transport.WrapBuffer(p), nil
	}
	return b, nil
}

func (c tapped) Close() error { return c.c.Close() }

func (w *sealedWorld) note(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, p...)
}

func (w *sealedWorld) hubSaw(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.seen, []byte(text))
}

func (w *sealedWorld) room(name string) *plexus.Channel { return w.members[name].Channel("room") }

// with returns the option that seals what one says on, or hears of, a name.
func (w *sealedWorld) with(self, name string, to ...string) plexus.Option {
	w.t.Helper()
	c, err := seal.New(seal.Config{Self: w.ids[self], Ring: w.ring, Channel: "room", Name: name, To: to})
	must(w.t, err)
	return plexus.WithCodec(c)
}

// Calls of all shapes, publications and events go through a hub that reads none of them; who
// has really sent each is known.
func TestSealedThroughHub(t *testing.T) {
	w := newSealedWorld(t, nil, "ann", "bob", "carol")
	ctx := t.Context()

	// A call, and a bound one.
	_, err := plexus.Handle(w.room("bob"), "add", func(_ context.Context, in seal.Signed[string]) (string, error) {
		return "secret-answer to " + in.Value + " of " + in.Sender, nil
	}, w.with("bob", "add"))
	must(t, err)
	got, err := plexus.Call[seal.Signed[string]](ctx, w.room("ann"), "add", "secret-question", w.with("ann", "add", "bob"))
	if err != nil || got.Value != "secret-answer to secret-question of ann" || got.Sender != "bob" {
		t.Fatal(got, err)
	}
	bound := plexus.Bind[string, string](w.room("ann"), "add", w.with("ann", "add", "bob"))
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			q := fmt.Sprint("secret-", i)
			out, err := bound.Call(ctx, q)
			if err != nil || out != "secret-answer to "+q+" of ann" {
				t.Error(out, err)
			}
			out, err = bound.Go(ctx, q).Wait(ctx)
			if err != nil || out != "secret-answer to "+q+" of ann" {
				t.Error(out, err)
			}
		})
	}
	all.Wait()
	w.streams(ctx)
	w.oneWay(ctx)
	if w.hubSaw("secret-") {
		t.Error("the hub has read a payload")
	}
	if !w.hubSaw("room") || !w.hubSaw("add") {
		t.Error("the tap saw nothing, not even names")
	}
}

func (w *sealedWorld) streams(ctx context.Context) {
	t := w.t
	_, err := plexus.HandleStream(w.room("bob"), "count", func(_ context.Context, in seal.Signed[int], send func(string) error) error {
		for i := range in.Value {
			if err := send(fmt.Sprint("secret-item ", i, " for ", in.Sender)); err != nil {
				return err
			}
		}
		return nil
	}, w.with("bob", "count"))
	must(t, err)
	n := 0
	for item, err := range plexus.Stream[string](ctx, w.room("ann"), "count", 50, w.with("ann", "count", "bob")) {
		if err != nil || item != fmt.Sprint("secret-item ", n, " for ann") {
			t.Fatal(item, err)
		}
		n++
	}
	if n != 50 {
		t.Errorf("%d items", n)
	}
	_, err = plexus.HandleDuplex(w.room("bob"), "chat", func(ctx context.Context, d *plexus.Duplex[string, string]) error {
		return d.Each(ctx, func(s string) error { return d.Send(ctx, "secret-echo "+s) })
	}, w.with("bob", "chat"))
	must(t, err)
	d, err := plexus.Open[string, seal.Signed[string]](ctx, w.room("ann"), "chat", w.with("ann", "chat", "bob"))
	must(t, err)
	for i := range 5 {
		must(t, d.Send(ctx, fmt.Sprint("secret-line ", i)))
		got, err := d.Recv(ctx)
		if err != nil || got.Value != fmt.Sprint("secret-echo secret-line ", i) || got.Sender != "bob" {
			t.Fatal(got, err)
		}
	}
	must(t, d.CloseSend())
	must(t, d.Wait(ctx))
	_, err = plexus.HandleUpload(w.room("bob"), "sum", func(_ context.Context, items iter.Seq2[string, error]) (string, error) {
		var s []string
		for item, err := range items {
			if err != nil {
				return "", err
			}
			s = append(s, item)
		}
		return strings.Join(s, "+"), nil
	}, w.with("bob", "sum"))
	must(t, err)
	u, err := plexus.OpenUpload[string, string](ctx, w.room("ann"), "sum", w.with("ann", "sum", "bob"))
	must(t, err)
	must(t, u.Send(ctx, "secret-a"))
	must(t, u.Send(ctx, "secret-b"))
	if out, err := u.Finish(ctx); err != nil || out != "secret-a+secret-b" {
		t.Fatal(out, err)
	}
}

func (w *sealedWorld) oneWay(ctx context.Context) {
	t := w.t
	_, err := plexus.Declare(w.room("ann"), "news.local")
	must(t, err)
	var subs []*plexus.Subscription[seal.Signed[string]]
	for _, who := range []string{"bob", "carol"} {
		sub, err := plexus.Subscribe[seal.Signed[string]](ctx, w.room(who), "news.*", w.with(who, "news.*"))
		must(t, err)
		subs = append(subs, sub)
	}
	publish := w.with("ann", "news.local", "bob", "carol")
	for i := range 3 {
		must(t, plexus.Publish(ctx, w.room("ann"), "news.local", fmt.Sprint("secret-news ", i), publish))
		for _, sub := range subs {
			p, err := sub.Next(ctx)
			if err != nil || p.Value.Value != fmt.Sprint("secret-news ", i) || p.Value.Sender != "ann" || p.Value.Name != p.Topic {
				t.Fatal(p, err)
			}
		}
	}
	heard := make(chan string, 1)
	on := plexus.On(w.room("bob"), "poke", func(_ context.Context, s seal.Signed[string]) { heard <- s.Sender + " " + s.Value }, w.with("bob", "poke"))
	defer on.Close()
	must(t, plexus.Send(ctx, w.room("ann").At("bob"), "poke", "secret-poke", w.with("ann", "poke", "bob")))
	if got := <-heard; got != "ann secret-poke" {
		t.Error(got)
	}
}

// A hub that changes what it carries is found out, in either direction of a call, in a stream
// and in a publication.
func TestHubThatTampers(t *testing.T) {
	w := newSealedWorld(t, nil, "ann", "bob")
	ctx := t.Context()
	calls := 0
	_, err := plexus.Handle(w.room("bob"), "add", func(_ context.Context, in string) (string, error) { calls++; return in, nil }, w.with("bob", "add"))
	must(t, err)
	_, err = plexus.Declare(w.room("ann"), "news")
	must(t, err)
	sub, err := plexus.Subscribe[string](ctx, w.room("bob"), "news", w.with("bob", "news"))
	must(t, err)
	long := strings.Repeat("long ", 40)
	with := w.with("ann", "add", "bob")
	if out, err := plexus.Call[string](ctx, w.room("ann"), "add", long, with); err != nil || out != long {
		t.Fatal(out, err)
	}
	w.tamper.Store(true)
	if out, err := plexus.Call[string](ctx, w.room("ann"), "add", long, with); status.CodeOf(err) != status.InvalidArgument || out != "" || calls != 1 {
		t.Errorf("a request was changed: %q, %v, %d calls", out, err, calls)
	}
	must(t, plexus.Publish(ctx, w.room("ann"), "news", long, w.with("ann", "news", "bob")))
	if p, err := sub.Next(ctx); !errors.Is(err, seal.ErrForged) || p.Value != "" {
		t.Errorf("a publication was changed: %q, %v", p.Value, err)
	}
}

// Who has no keys cannot call a sealed method, nor put words into a sealed topic; and nobody can do it
// in another's name.
func TestPlainIsRefused(t *testing.T) {
	w := newSealedWorld(t, nil, "ann", "bob", "eve")
	ctx := t.Context()
	_, err := plexus.Handle(w.room("bob"), "add", func(_ context.Context, in string) (string, error) {
		t.Errorf("the handler got %q", in)
		return in, nil
	}, w.with("bob", "add"))
	must(t, err)
	for name, opts := range map[string][]plexus.Option{
		"JSON": nil, "raw": {plexus.WithCodec(codec.Raw{})}, "for another method": {w.with("eve", "sub", "bob")}, "sealed to another": {w.with("eve", "add", "ann")},
	} {
		if out, err := plexus.Call[string](ctx, w.room("eve"), "add", "hello", opts...); status.CodeOf(err) != status.InvalidArgument || out != "" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	_, err = plexus.Declare(w.room("ann"), "news", plexus.WithShared())
	must(t, err)
	sub, err := plexus.Subscribe[string](ctx, w.room("bob"), "news", w.with("bob", "news"))
	must(t, err)
	must(t, plexus.Publish(ctx, w.room("eve"), "news", "false"))
	if p, err := sub.Next(ctx); err == nil {
		t.Errorf("taken: %+v", p)
	}
	_, err = plexus.Handle(w.room("bob"), "plain", func(_ context.Context, in string) (string, error) { return in, nil })
	must(t, err)
	if out, err := plexus.Call[string](ctx, w.room("ann"), "plain", "x", w.with("ann", "plain", "bob")); err == nil {
		t.Errorf("a handler without keys answers %q", out)
	}
}

// strict refuses every payload that it can read.
type strict struct{}

func (strict) Compile(json.RawMessage) (jsonschema.Judge, error) {
	return func(c uint8, _ []byte) error {
		if codec.ID(c) == codec.IDSealed {
			return nil // as jsonschema/validate does with a codec that it does not have
		}
		return errors.New("it does not fit")
	}, nil
}

// A hub that judges payloads passes sealed ones on, and is told nothing of their types.
func TestSealedAndSchema(t *testing.T) {
	w := newSealedWorld(t, &hubtest.Options{Hub: hub.Config{Schemas: schema.Rules{Policy: schema.Reject, Validator: strict{}}}}, "ann", "bob")
	type Patient struct{ TellingFieldName string }
	_, err := plexus.Handle(w.room("bob"), "admit", func(_ context.Context, in Patient) (int, error) { return len(in.TellingFieldName), nil }, w.with("bob", "admit"))
	must(t, err)
	n, err := plexus.Call[int](t.Context(), w.room("ann"), "admit", Patient{"x"}, w.with("ann", "admit", "bob"))
	if err != nil || n != 1 {
		t.Error(n, err)
	}
	_, err = plexus.Declare(w.room("ann"), "news", service.WithSchema(json.RawMessage(`{"type":"string"}`), nil))
	must(t, err)
	sub, err := plexus.Subscribe[string](t.Context(), w.room("bob"), "news", w.with("bob", "news"))
	must(t, err)
	must(t, plexus.Publish(t.Context(), w.room("ann"), "news", "fits", w.with("ann", "news", "bob")))
	if p, err := sub.Next(t.Context()); err != nil || p.Value != "fits" {
		t.Error(p, err)
	}
	if w.hubSaw("TellingFieldName") {
		t.Error("the hub was told the type of a sealed value")
	}
	if got := w.ring.Names(); !slices.Equal(got, []string{"ann", "bob"}) {
		t.Error(got)
	}
}

// parrot is a codec that says what somebody else has said.
type parrot struct{ said []byte }

func (parrot) ID() codec.ID                               { return codec.IDSealed }
func (parrot) Name() string                               { return "parrot" }
func (p parrot) Append(dst []byte, _ any) ([]byte, error) { return append(dst, p.said...), nil }
func (parrot) Decode([]byte, any) error                   { return nil }

// What the hub has kept, or a member has overheard, does not count again; a key that was
// replaced is of no use, and the new one is at once.
func TestReplayAndRotationThroughHub(t *testing.T) {
	w := newSealedWorld(t, nil, "ann", "bob", "eve")
	ctx := t.Context()
	_, err := plexus.Declare(w.room("ann"), "news", plexus.WithShared())
	must(t, err)
	sub, err := plexus.Subscribe[seal.Signed[string]](ctx, w.room("bob"), "news", w.with("bob", "news"))
	must(t, err)
	next := func(who string, said []byte) (string, error) {
		must(t, plexus.Publish(ctx, w.room(who), "news", "", plexus.WithCodec(parrot{said})))
		p, err := sub.Next(ctx)
		return p.Value.Value, err
	}
	says := func(self *seal.Identity) []byte {
		c, err := seal.New(seal.Config{Self: self, Ring: w.ring, Channel: "room", Name: "news", To: []string{"bob"}})
		must(t, err)
		said, err := c.Append(nil, "sell")
		must(t, err)
		return said
	}
	said := says(w.ids["ann"])
	if v, err := next("ann", said); v != "sell" || err != nil {
		t.Fatal(v, err)
	}
	for _, who := range []string{"eve", "ann"} {
		if v, err := next(who, said); v != "" || !errors.Is(err, seal.ErrReplay) {
			t.Errorf("again by %s: %q, %v", who, v, err)
		}
	}
	fresh, err := seal.Generate(seal.Hybrid)
	must(t, err)
	if v, err := next("ann", says(fresh)); v != "" || !errors.Is(err, seal.ErrUnknown) {
		t.Errorf("a key that nobody knows yet: %q, %v", v, err)
	}
	must(t, w.ring.Add("ann", fresh.Public()))
	for _, id := range []*seal.Identity{fresh, w.ids["ann"]} {
		if v, err := next("ann", says(id)); v != "sell" || err != nil {
			t.Errorf("during the rotation: %q, %v", v, err)
		}
	}
	w.ring.Remove("ann", w.ids["ann"].Public())
	if v, err := next("ann", says(w.ids["ann"])); v != "" || !errors.Is(err, seal.ErrUnknown) {
		t.Errorf("the old key afterwards: %q, %v", v, err)
	}
	if v, err := next("ann", says(fresh)); v != "sell" || err != nil {
		t.Errorf("the new key afterwards: %q, %v", v, err)
	}
}
