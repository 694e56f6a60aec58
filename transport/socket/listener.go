// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// listener is a bound socket and what must be undone when it closes. As a net.Listener
// it gives plain connections; frameListener gives Conns.
type listener struct {
	net.Listener
	ep      endpoint.Endpoint
	opts    transport.Options
	release func() error // removes the path and gives the lock back; may be nil
	once    sync.Once
	err     error
}

// Accept returns the next plain connection. Errors come as they are: what is passing
// (EMFILE, ECONNABORTED) is the caller's to wait out.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if err := l.tune(nc); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return l.secure(nc), nil
}

// tune applies the options; TCP keep-alive and no-delay come from the ListenConfig.
func (l *listener) tune(nc net.Conn) error {
	c, ok := nc.(bufferSizer)
	switch {
	case !ok:
		return nil
	case l.ep.Scheme() == "unixpacket":
		return setPacketBuffers(c, &l.opts)
	default:
		return setBuffers(c, &l.opts)
	}
}

func (l *listener) secure(nc net.Conn) net.Conn {
	if l.ep.Scheme() == "tls" {
		return tls.Server(nc, l.opts.TLS)
	}
	return nc
}

// Endpoint returns the real address.
func (l *listener) Endpoint() endpoint.Endpoint { return l.ep }

// Close stops accepting and removes what Listen made.
func (l *listener) Close() error {
	l.once.Do(func() {
		if l.release != nil {
			l.err = l.release()
		}
		if err := l.Listener.Close(); l.err == nil {
			l.err = err
		}
	})
	return l.err
}

// frameListener implements transport.Listener.
type frameListener struct{ l *listener }

func (f frameListener) Endpoint() endpoint.Endpoint { return f.l.Endpoint() }
func (f frameListener) Close() error                { return f.l.Close() }

func (f frameListener) Accept() (transport.Conn, error) {
	nc, err := f.l.Accept()
	if err != nil {
		return nil, err
	}
	c, err := newConn(nc, remoteOf(f.l.ep.Scheme(), nc))
	if err != nil {
		_ = nc.Close()
	}
	return c, err
}

// remoteOf prints the address of the dialler, "" for a socket without a name.
func remoteOf(scheme string, nc net.Conn) string {
	addr := nc.RemoteAddr()
	if addr == nil || addr.String() == "" || addr.String() == "@" {
		return ""
	}
	return scheme + "://" + addr.String()
}

// newConn makes the Conn for a plain connection of this package.
func newConn(nc net.Conn, remote string) (transport.Conn, error) {
	switch c := nc.(type) {
	case *net.TCPConn:
		return newTCPConn(c, remote)
	case *tls.Conn:
		return newTLSConn(c, remote), nil
	case *net.UnixConn:
		if c.LocalAddr().Network() == "unixpacket" {
			return newPacketConn(c, remote)
		}
		return newUnixConn(c, remote)
	}
	return nil, fmt.Errorf("connection of unknown type %T", nc)
}
