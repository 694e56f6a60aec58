// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
)

// testListener: bind, report the address, accept, close, bind again.
func testListener(t *testing.T, f *Factory) {
	if f.Transport == nil {
		lacks(t, "listener", "no Transport declared")
		return
	}
	for name, test := range map[string]func(*testing.T, *Factory){
		"endpoint":        listenEndpoint,
		"close":           listenClose,
		"nobody":          listenNobody,
		"many":            listenMany,
		"cancelled":       listenCancelled,
		"outlives":        listenOutlives,
		"bind again":      listenAgain,
		"foreign schemes": listenForeign,
	} {
		t.Run("listener/"+name, func(t *testing.T) {
			leak.Check(t)
			test(t, f)
		})
	}
}

// listenEndpoint: the reported address is complete, canonical and leads back.
func listenEndpoint(t *testing.T, f *Factory) {
	l, dial := f.listen(t)
	ep := l.Endpoint()
	if again, err := endpoint.Parse(ep.String()); err != nil || again != ep {
		t.Fatalf("endpoint %s parses as %s, %v", ep, again, err)
	}
	if s := ep.Scheme(); (s == "tcp" || s == "tls") && ep.Port() == 0 {
		t.Fatalf("endpoint %s has no port", ep)
	}
	a, b := connect(t, f, l, dial)
	defer func() { _, _ = a.Close(), b.Close() }()
	must(t, a.Send(frame(100, 1)))
	must(t, expect(b, []int{100}, 1))
}

// listenClose: a pending Accept and all later ones end, also with several at once.
func listenClose(t *testing.T, f *Factory) {
	l, _ := f.listen(t)
	b := &bench{TB: t, f: f, a: Bare(nothing{}), b: Bare(nothing{})}
	accept := func() error {
		c, err := l.Accept()
		if c != nil {
			_ = c.Close()
			return errors.New("a connection out of nothing")
		}
		return wantClosed(err)
	}
	first, second := b.start(accept), b.start(accept)
	b.soon("Close", l.Close)
	b.within("Accept", first)
	b.within("Accept", second)
	b.soon("later Accept", accept)
	b.soon("second Close", l.Close)
}

// nothing is a Conn that a bench without a connection has.
type nothing struct{}

func (nothing) Send([]byte) error                { return net.ErrClosed }
func (nothing) Recv() (*transport.Buffer, error) { return nil, net.ErrClosed }
func (nothing) Close() error                     { return nil }

// listenNobody: where nobody listens any more, Dial says so.
func listenNobody(t *testing.T, f *Factory) {
	l, dial := f.listen(t)
	must(t, l.Close())
	c, err := f.Transport.Dial(t.Context(), l.Endpoint(), dial)
	if c != nil {
		_ = c.Close()
	}
	var te *transport.Error
	if !errors.Is(err, transport.ErrNobody) || !errors.As(err, &te) || te.Op != "dial" || te.Endpoint != l.Endpoint().String() {
		t.Fatalf("%v instead of an *Error that is ErrNobody", err)
	}
}

// listenMany: many dial at once, several accept; each pair is its own.
func listenMany(t *testing.T, f *Factory) {
	const each = 10
	l, dial := f.listen(t)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range each {
				c, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				all.Go(func() { echoOnce(t, c) })
			}
		})
	}
	for i := range 2 * each {
		all.Go(func() { callOnce(t, f, l.Endpoint(), dial, i) })
	}
	all.Wait()
}

// echoOnce sends a frame back and waits for the end.
func echoOnce(t *testing.T, c transport.Conn) {
	defer c.Close()
	b, err := c.Recv()
	if err != nil {
		t.Error(err)
		return
	}
	if err := c.Send(b.Bytes()); err != nil {
		t.Error(err)
	}
	b.Release()
	_ = recvErr(c)
}

func callOnce(t *testing.T, f *Factory, ep endpoint.Endpoint, dial *transport.Options, n int) {
	c, err := f.Transport.Dial(t.Context(), ep, dial)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if err := c.Send(frame(200, n)); err != nil {
		t.Error(err)
	} else if err := expect(c, []int{200}, n); err != nil {
		t.Error(err)
	}
}

// listenCancelled: a Dial whose context has ended says so.
func listenCancelled(t *testing.T, f *Factory) {
	l, dial := f.listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, err := f.Transport.Dial(ctx, l.Endpoint(), dial)
	if c != nil {
		_ = c.Close()
		t.Fatal("Dial works with a cancelled context")
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v instead of context.Canceled", err)
	}
}

// listenOutlives: a connection lives on after its listener.
func listenOutlives(t *testing.T, f *Factory) {
	l, dial := f.listen(t)
	a, b := connect(t, f, l, dial)
	defer func() { _, _ = a.Close(), b.Close() }()
	must(t, l.Close())
	must(t, a.Send(frame(100, 1)))
	must(t, expect(b, []int{100}, 1))
	must(t, b.Send(frame(100, 2)))
	must(t, expect(a, []int{100}, 2))
}

// listenAgain: an address is refused while it is in use and free afterwards.
func listenAgain(t *testing.T, f *Factory) {
	l, _ := f.listen(t)
	var listen *transport.Options
	if f.Options != nil {
		listen, _ = f.Options(t)
	}
	for range 3 {
		second, err := f.Transport.Listen(t.Context(), l.Endpoint(), listen)
		if second != nil {
			_ = second.Close()
		}
		if !errors.Is(err, transport.ErrInUse) {
			t.Fatalf("%v instead of ErrInUse", err)
		}
		must(t, l.Close())
		l, err = f.Transport.Listen(t.Context(), l.Endpoint(), listen)
		if err != nil && f.RebindLater {
			return
		}
		must(t, err)
		defer l.Close()
	}
}

// listenForeign: a Set that has this driver leads its own schemes to it and no other.
func listenForeign(t *testing.T, f *Factory) {
	set := transport.NewSet(f.Transport)
	for _, s := range f.Transport.Schemes() {
		if d, err := set.Lookup(s); err != nil || d != f.Transport {
			t.Errorf("scheme %s: %v, %v", s, d, err)
		}
	}
	if _, err := set.Lookup("x-nobody-has-this"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v instead of errors.ErrUnsupported", err)
	}
}
