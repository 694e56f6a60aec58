// SPDX-License-Identifier: Apache-2.0

package fd

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Adopter makes Conns and Listeners of plain sockets: it is socket.Adopt and
// socket.AdoptListener, which this package does not import.
type Adopter struct {
	// Conn takes over a connection, unless it fails.
	Conn func(nc net.Conn, remote string) (transport.Conn, error)
	// Listener takes over a listener.
	Listener func(l net.Listener, ep endpoint.Endpoint) transport.Listener
}

// Transport serves fd endpoints. A process needs one value of it, which remembers what was
// taken. All methods may be called at any time from any goroutine.
type Transport struct {
	adopt Adopter

	mu   sync.Mutex
	used map[int]bool
}

var _ transport.Transport = (*Transport)(nil)

// New returns a Transport.
func New(a Adopter) *Transport { return &Transport{adopt: a, used: make(map[int]bool)} }

// Schemes implements transport.Transport.
func (t *Transport) Schemes() []string { return []string{"fd"} }

// Dial implements transport.Transport: it takes the connected socket over.
func (t *Transport) Dial(ctx context.Context, ep endpoint.Endpoint, _ *transport.Options) (transport.Conn, error) {
	var c transport.Conn
	err := t.take(ctx, ep, func(n int) error {
		nc, l, err := inherit(n)
		if err != nil {
			return err
		}
		if l != nil {
			return errors.Join(errListens, l.Close())
		}
		c, err = t.conn(nc)
		return err
	})
	if err != nil {
		return nil, &transport.Error{Op: "dial", Endpoint: ep.String(), Err: err}
	}
	return c, nil
}

// Listen implements transport.Transport: it takes the listening socket over, or gives the
// connected one to the first Accept.
func (t *Transport) Listen(ctx context.Context, ep endpoint.Endpoint, _ *transport.Options) (transport.Listener, error) {
	var l transport.Listener
	err := t.take(ctx, ep, func(n int) error {
		nc, nl, err := inherit(n)
		if err != nil {
			return err
		}
		if nl != nil {
			l = t.adopt.Listener(nl, ep)
			return nil
		}
		c, err := t.conn(nc)
		if err == nil {
			l = once(c, ep)
		}
		return err
	})
	if err != nil {
		return nil, &transport.Error{Op: "listen", Endpoint: ep.String(), Err: err}
	}
	return l, nil
}

var errListens = errors.New("the descriptor is a socket that listens: it can be listened on, not dialled")

// take calls f with the number, once in the life of the process unless f fails to find a
// socket there.
func (t *Transport) take(ctx context.Context, ep endpoint.Endpoint, f func(n int) error) error {
	n := ep.FD()
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case n < 3:
		return errors.New("descriptors 0 to 2 are standard input, output and error, for which there is the address stdio:, without a number")
	case t.used[n]:
		return transport.ErrInUse
	}
	err := f(n)
	t.used[n] = !errors.Is(err, errNoSocket) // all else has closed it
	return err
}

// errNoSocket: the descriptor was left alone.
var errNoSocket = errors.New("no inherited socket")

func (t *Transport) conn(nc net.Conn) (transport.Conn, error) {
	c, err := t.adopt.Conn(nc, "")
	if err != nil {
		nc.Close()
	}
	return c, err
}

// once returns a listener whose first Accept returns c; later ones wait for Close.
func once(c transport.Conn, ep endpoint.Endpoint) transport.Listener {
	l := &single{ep: ep, one: make(chan transport.Conn, 1), done: make(chan struct{})}
	l.one <- c
	return l
}

// single gives its one connection away once.
type single struct {
	ep   endpoint.Endpoint
	one  chan transport.Conn
	once sync.Once
	done chan struct{}
	err  error
}

// Accept implements transport.Listener.
func (l *single) Accept() (transport.Conn, error) {
	select {
	case <-l.done:
	default:
		select {
		case c := <-l.one:
			return c, nil
		case <-l.done:
		}
	}
	return nil, &transport.Error{Op: "accept", Endpoint: l.ep.String(), Err: net.ErrClosed}
}

// Endpoint implements transport.Listener.
func (l *single) Endpoint() endpoint.Endpoint { return l.ep }

// Close implements transport.Listener.
func (l *single) Close() error {
	l.once.Do(func() {
		close(l.done)
		select {
		case c := <-l.one:
			l.err = c.Close()
		default:
		}
	})
	return l.err
}
