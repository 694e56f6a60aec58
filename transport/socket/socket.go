// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket/internal/claim"
)

// ErrUnsafe is the cause, inside a *transport.Error, when everybody may replace files in
// the directory in which Listen shall make a socket.
var ErrUnsafe = claim.ErrUnsafe

// Transport is the driver for socket schemes. It has no state: all methods may be called
// from any goroutine.
type Transport struct{ schemes []string }

var (
	_ transport.Transport       = (*Transport)(nil)
	_ transport.StreamTransport = (*Transport)(nil)
)

// New returns the driver for all of them: unix, unixpacket, unixgram, tcp and tls.
func New() *Transport {
	return &Transport{[]string{"unix", "unixpacket", "unixgram", "tcp", "tls"}}
}

// Unix returns the driver for unix stream sockets alone.
func Unix() *Transport { return &Transport{[]string{"unix"}} }

// Packet returns the driver for unixpacket and unixgram.
func Packet() *Transport { return &Transport{[]string{"unixpacket", "unixgram"}} }

// TCP returns the driver for tcp alone.
func TCP() *Transport { return &Transport{[]string{"tcp"}} }

// TLS returns the driver for tls alone.
func TLS() *Transport { return &Transport{[]string{"tls"}} }

// Schemes implements transport.Transport.
func (t *Transport) Schemes() []string { return slices.Clone(t.schemes) }

// Dial implements transport.Transport. A full backlog (EAGAIN) is tried again with
// jittered pauses until ctx ends. Errors are *transport.Error; the causes ErrNobody and
// ErrDenied of package transport come along with the system's.
func (t *Transport) Dial(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	if opts == nil {
		opts = new(transport.Options)
	}
	if err := ep.Supported(); err != nil {
		return nil, dialError(ep, err)
	}
	switch ep.Scheme() {
	case "unixpacket":
		return dialPacket(ctx, ep, opts)
	case "unixgram":
		return dialGram(ctx, ep, opts)
	}
	nc, err := t.DialStream(ctx, ep, opts)
	if err != nil {
		return nil, err
	}
	c, err := newConn(nc, ep.String())
	if err != nil {
		_ = nc.Close()
		return nil, &transport.Error{Op: "dial", Endpoint: ep.String(), Err: err}
	}
	return c, nil
}

// DialStream implements transport.StreamTransport for unix, tcp and tls. The result is a
// *net.UnixConn, *net.TCPConn or *tls.Conn; see PeerCredentials.
func (t *Transport) DialStream(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (net.Conn, error) {
	if opts == nil {
		opts = new(transport.Options)
	}
	var nc net.Conn
	err := ep.Supported()
	if err != nil {
		return nil, dialError(ep, err)
	}
	switch ep.Scheme() {
	case "unix":
		nc, err = dialUnix(ctx, "unix", ep, opts)
	case "tcp":
		nc, err = dialTCP(ctx, ep, opts)
	case "tls":
		nc, err = dialTLS(ctx, ep, opts)
	default:
		err = unsupported(ep.Scheme() + " as a byte stream")
	}
	if err != nil {
		return nil, dialError(ep, err)
	}
	return nc, nil
}

// Listen implements transport.Transport. How paths are treated stands in the package's
// description.
func (t *Transport) Listen(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Listener, error) {
	if opts == nil {
		opts = new(transport.Options)
	}
	if err := ep.Supported(); err != nil {
		return nil, listenError(ep, err)
	}
	if ep.Scheme() == "unixgram" {
		return listenGram(ep, opts)
	}
	l, err := listen(ctx, ep, opts)
	if err != nil {
		return nil, listenError(ep, err)
	}
	return frameListener{l}, nil
}

// ListenStream implements transport.StreamTransport for unix, tcp and tls. Accept
// returns the types that DialStream does, and never waits for a TLS handshake, which the
// first Read or Write does. The listener has a method Endpoint() endpoint.Endpoint.
func (t *Transport) ListenStream(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (net.Listener, error) {
	if opts == nil {
		opts = new(transport.Options)
	}
	if s := ep.Scheme(); s == "unixpacket" || s == "unixgram" {
		return nil, listenError(ep, unsupported(s+" as a byte stream"))
	}
	if err := ep.Supported(); err != nil {
		return nil, listenError(ep, err)
	}
	l, err := listen(ctx, ep, opts)
	if err != nil {
		return nil, listenError(ep, err)
	}
	return l, nil
}

func listen(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (*listener, error) {
	switch ep.Scheme() {
	case "unix", "unixpacket":
		return listenUnix(ctx, ep, opts)
	case "tcp", "tls":
		return listenTCP(ctx, ep, opts)
	}
	return nil, unsupported(ep.Scheme())
}

func unsupported(what string) error {
	return fmt.Errorf("%s on %s: %w", what, runtime.GOOS, errors.ErrUnsupported)
}

// keepAlive is the period of TCP keep-alive probes.
func keepAlive(opts *transport.Options) time.Duration {
	if opts.KeepAlive == 0 {
		return 15 * time.Second
	}
	return opts.KeepAlive
}

// bufferSizer is what Options.SendBuffer and RecvBuffer are applied to.
type bufferSizer interface {
	SetReadBuffer(n int) error
	SetWriteBuffer(n int) error
}

func setBuffers(c bufferSizer, opts *transport.Options) error {
	var err error
	if opts.SendBuffer > 0 {
		err = c.SetWriteBuffer(opts.SendBuffer)
	}
	if opts.RecvBuffer > 0 && err == nil {
		err = c.SetReadBuffer(opts.RecvBuffer)
	}
	return err
}

// setPacketBuffers makes room for the longest packet: a socket takes none that is longer
// than its buffer. The default is ample on Linux (208 KiB), but 2 KiB on macOS.
func setPacketBuffers(nc bufferSizer, opts *transport.Options) error {
	o := *opts
	for _, n := range []*int{&o.SendBuffer, &o.RecvBuffer} {
		if *n > 0 || runtime.GOOS == "darwin" {
			*n = max(*n, 4*transport.MaxFrame)
		}
	}
	return setBuffers(nc, &o)
}
