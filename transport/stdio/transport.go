// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"context"
	"net"
	"os"
	"sync"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Transport serves the endpoint stdio:, this process's own standard input and output,
// either by Dial or by Listen, once. A process needs one value of it.
type Transport struct {
	mu   sync.Mutex
	used bool
}

var _ transport.Transport = (*Transport)(nil)

// NewTransport returns a Transport.
func NewTransport() *Transport { return new(Transport) }

// Schemes implements transport.Transport.
func (t *Transport) Schemes() []string { return []string{"stdio"} }

// Dial implements transport.Transport: it takes standard input and output over, as the
// package's description says.
func (t *Transport) Dial(ctx context.Context, ep endpoint.Endpoint, _ *transport.Options) (transport.Conn, error) {
	s, err := t.take(ctx)
	if err != nil {
		return nil, &transport.Error{Op: "dial", Endpoint: ep.String(), Err: err}
	}
	return s.conn(), nil
}

// Listen implements transport.Transport: it takes standard input and output over, as
// Dial does. The first Accept returns the Conn, later ones wait for Close.
func (t *Transport) Listen(ctx context.Context, ep endpoint.Endpoint, _ *transport.Options) (transport.Listener, error) {
	s, err := t.take(ctx)
	if err != nil {
		return nil, &transport.Error{Op: "listen", Endpoint: ep.String(), Err: err}
	}
	l := &listener{t: t, ep: ep, one: make(chan *streams, 1), done: make(chan struct{})}
	l.one <- s
	return l, nil
}

// take takes standard input and output over, unless that has happened.
func (t *Transport) take(ctx context.Context) (*streams, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if t.used {
		return nil, transport.ErrInUse
	}
	s, err := takeStreams()
	t.used = err == nil
	return s, err
}

// giveBack undoes take.
func (t *Transport) giveBack(s *streams) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used = false
	return s.restore()
}

// streams are what was standard input and output.
type streams struct {
	in, out *os.File
	restore func() error
}

func (s *streams) conn() transport.Conn { return newConn(s.in, s.out, "stdio:") }

// listener gives its one connection away once.
type listener struct {
	t    *Transport
	ep   endpoint.Endpoint
	one  chan *streams
	once sync.Once
	done chan struct{}
	err  error
}

func (l *listener) Accept() (transport.Conn, error) {
	select {
	case <-l.done:
	default:
		select {
		case s := <-l.one:
			return s.conn(), nil
		case <-l.done:
		}
	}
	return nil, &transport.Error{Op: "accept", Endpoint: l.ep.String(), Err: net.ErrClosed}
}

func (l *listener) Endpoint() endpoint.Endpoint { return l.ep }

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		select {
		case s := <-l.one:
			l.err = l.t.giveBack(s)
		default:
		}
	})
	return l.err
}
