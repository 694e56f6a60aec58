// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// loud is a third-party transport: it serves the scheme x-loud over TCP and sends frames
// in upper case. Its tests would call transporttest.Test.
type loud struct{ tcp *socket.Transport }

func (l loud) Schemes() []string { return []string{"x-loud"} }

func (l loud) Dial(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	below, err := endpoint.Parse("tcp://" + net.JoinHostPort(ep.Host(), fmt.Sprint(ep.Port())))
	if err != nil {
		return nil, err
	}
	c, err := l.tcp.Dial(ctx, below, opts)
	if err != nil {
		return nil, err
	}
	return loudConn{c}, nil
}

func (l loud) Listen(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Listener, error) {
	below, err := endpoint.Parse("tcp://" + net.JoinHostPort(ep.Host(), fmt.Sprint(ep.Port())))
	if err != nil {
		return nil, err
	}
	inner, err := l.tcp.Listen(ctx, below, opts)
	if err != nil {
		return nil, err
	}
	return loudListener{inner}, nil
}

// loudListener reports addresses in its own scheme.
type loudListener struct{ inner transport.Listener }

func (l loudListener) Accept() (transport.Conn, error) {
	c, err := l.inner.Accept()
	if err != nil {
		return nil, err
	}
	return loudConn{c}, nil
}

func (l loudListener) Endpoint() endpoint.Endpoint {
	ep, _ := endpoint.Parse("x-loud:" + strings.TrimPrefix(l.inner.Endpoint().String(), "tcp:"))
	return ep
}

func (l loudListener) Close() error { return l.inner.Close() }

// loudConn offers Send, Recv and Close. It does not embed the Conn below, which would
// offer abilities, such as TrySend, that bypass Send.
type loudConn struct{ c transport.Conn }

func (l loudConn) Send(p []byte) error {
	return l.c.Send([]byte(strings.ToUpper(string(p)))) // a real one leaves the lengths alone
}
func (l loudConn) Recv() (*transport.Buffer, error) { return l.c.Recv() }
func (l loudConn) Close() error                     { return l.c.Close() }

// A program adds a transport of its own to a Set; nothing is registered globally.
func ExampleSet() {
	ctx := context.Background()
	set := transport.NewSet(socket.Unix(), mem.New()).With(loud{socket.TCP()})
	fmt.Println(set.Schemes())

	ep, _ := endpoint.Parse("x-loud://127.0.0.1:0")
	l, err := set.Listen(ctx, ep, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	c, err := set.Dial(ctx, l.Endpoint(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	_ = c.Send([]byte("\x09\x00\x00\x00hello"))
	b, err := s.Recv()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Release()
	fmt.Printf("%s\n", b.Bytes()[4:])
	// Output:
	// [mem unix x-loud]
	// HELLO
}
