// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"context"
	"net"
	"sync"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Transport serves mem://name endpoints. Each Transport is a name space of its own: who
// shall meet must use the same value. All methods may be called from any goroutine.
type Transport struct {
	mu        sync.Mutex
	listeners map[string]*listener
	onDial    func(dialler, listener *Conn)
}

var _ transport.Transport = (*Transport)(nil)

// New returns a Transport without listeners.
func New() *Transport { return &Transport{listeners: make(map[string]*listener)} }

// OnDial makes f see both ends of each new connection before anybody else does, to set
// their faults or to cut them later. f must not use the Transport.
func (t *Transport) OnDial(f func(dialler, listener *Conn)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.onDial = f
}

// Schemes implements transport.Transport.
func (t *Transport) Schemes() []string { return []string{"mem"} }

// Listen implements transport.Transport.
func (t *Transport) Listen(_ context.Context, ep endpoint.Endpoint, _ *transport.Options) (transport.Listener, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.listeners[ep.Name()] != nil {
		return nil, &transport.Error{Op: "listen", Endpoint: ep.String(), Err: transport.ErrInUse}
	}
	l := &listener{t: t, ep: ep, queue: make(chan *Conn, backlog), done: make(chan struct{})}
	t.listeners[ep.Name()] = l
	return l, nil
}

// backlog is how many connections wait for Accept before Dial waits.
const backlog = 128

// Dial implements transport.Transport. Options.SendBuffer is the capacity of the line
// to the listener, RecvBuffer of the one from it.
func (t *Transport) Dial(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &transport.Error{Op: "dial", Endpoint: ep.String(), Err: err}
	}
	a, b, l := t.connect(ep, opts)
	if l == nil {
		return nil, &transport.Error{Op: "dial", Endpoint: ep.String(), Err: transport.ErrNobody}
	}
	if err := l.offer(ctx, b); err != nil {
		_ = a.Close()
		return nil, &transport.Error{Op: "dial", Endpoint: ep.String(), Err: err}
	}
	return a, nil
}

// connect makes the two ends of a connection to the listener, which is nil if there is
// none.
func (t *Transport) connect(ep endpoint.Endpoint, opts *transport.Options) (a, b *Conn, l *listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l = t.listeners[ep.Name()]; l == nil {
		return nil, nil, nil
	}
	a, b = pipe(ep.String())
	if opts != nil {
		a.SetFaults(Faults{Capacity: opts.SendBuffer})
		b.SetFaults(Faults{Capacity: opts.RecvBuffer})
	}
	if t.onDial != nil {
		t.onDial(a, b)
	}
	return a, b, l
}

// listener implements transport.Listener.
type listener struct {
	t     *Transport
	ep    endpoint.Endpoint
	queue chan *Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) offer(ctx context.Context, c *Conn) error {
	select {
	case <-l.done:
		return transport.ErrNobody
	default:
	}
	select {
	case l.queue <- c:
		return l.settle()
	case <-l.done:
		return transport.ErrNobody
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle hangs up what was queued after Close had emptied the queue.
func (l *listener) settle() error {
	select {
	case <-l.done:
		l.drain()
	default:
	}
	return nil
}

func (l *listener) drain() {
	for {
		select {
		case c := <-l.queue:
			_ = c.Close()
		default:
			return
		}
	}
}

func (l *listener) Accept() (transport.Conn, error) {
	select {
	case <-l.done:
	case c := <-l.queue:
		return c, nil
	}
	return nil, &transport.Error{Op: "accept", Endpoint: l.ep.String(), Err: net.ErrClosed}
}

func (l *listener) Endpoint() endpoint.Endpoint { return l.ep }

func (l *listener) Close() error {
	l.once.Do(func() {
		l.t.mu.Lock()
		delete(l.t.listeners, l.ep.Name())
		l.t.mu.Unlock()
		close(l.done)
		l.drain()
	})
	return nil
}
