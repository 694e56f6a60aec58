// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket/internal/claim"
)

// Datagrams that are not frames: they are shorter than any frame.
//
//	dialler C                     listener L              accepted P (a new socket)
//	bind a name of its own
//	"PLXO" ─────────────────────▶ Accept
//	                                                      connect to C, bind a name
//	       ◀───────────────────────────────────────────── "PLXW"
//	connect to P                  (from here only C and P can send to each other)
//	frames ◀─────────────────────────────────────────────▶ frames
//	"PLXB" ──────────────── either side closes ──────────▶ end
const (
	gramOpen    = "PLXO"
	gramWelcome = "PLXW"
	gramBye     = "PLXB"
)

// gram is what a datagram connection has in addition. A nil *gram is SEQPACKET.
type gram struct {
	path     string // of our own socket where it has one, to be removed
	creds    transport.Credentials
	credsErr error
}

// isBye reports whether the n bytes at the start of p are the peer's last datagram.
func (g *gram) isBye(p []byte, n int) bool {
	return g != nil && n == len(gramBye) && string(p[:n]) == gramBye
}

// hangUp tells the peer that this end closes, if that is possible without waiting. It
// takes no lock that a blocked Send may hold.
func (g *gram) hangUp(raw syscall.RawConn) {
	if g == nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _, _ = syscall.Write(int(fd), []byte(gramBye)) })
	g.remove()
}

func (g *gram) remove() {
	if g.path != "" {
		_ = os.Remove(g.path)
	}
}

// dialGram asks the listener for a connection and waits for its Accept.
func dialGram(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	if _, err := socketKind(ep.Scheme()); err != nil {
		return nil, dialError(ep, err)
	}
	nc, g, err := newGram("")
	if err != nil {
		return nil, dialError(ep, err)
	}
	c, err := openGram(ctx, nc, g, ep, opts)
	if err != nil {
		g.remove()
		_ = nc.Close()
		return nil, dialError(ep, err)
	}
	return c, nil
}

func openGram(ctx context.Context, nc *net.UnixConn, g *gram, ep endpoint.Endpoint, opts *transport.Options) (*packetConn, error) {
	c, err := makePacketConn(nc, ep.String(), g)
	if err != nil {
		return nil, err
	}
	if err := setPacketBuffers(nc, opts); err != nil {
		return nil, err
	}
	if err := retryBusy(ctx, func() error { return sendTo(c.raw, ep.Address(), gramOpen) }); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.intr.raise(nc) })
	from, err := c.awaitWelcome(ep)
	if !stop() || err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return c, c.join(from)
}

// awaitWelcome returns the name of the socket that the listener has made for us.
func (c *packetConn) awaitWelcome(ep endpoint.Endpoint) (string, error) {
	for {
		m, err := receive(c.raw)
		if err != nil {
			return "", err
		}
		if string(m.data) == gramWelcome && m.from != "" && trusted(ep, m) {
			c.gram.creds, c.gram.credsErr = m.creds, m.credsErr
			return m.from, nil
		}
	}
}

// trusted reports whether a welcome is from the user that the listener's path belongs to
// (or root); where the path or the sender has no user it is.
func trusted(ep endpoint.Endpoint, m message) bool {
	info, err := os.Stat(ep.Path())
	if ep.Path() == "" || m.credsErr != nil || err != nil {
		return err == nil || errors.Is(err, fs.ErrNotExist)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (m.creds.UID == int(st.Uid) || m.creds.UID == 0)
}

// join connects to the peer's socket. Whatever others have sent before that is still
// queued, so the queue is emptied once and only the peer's is kept. A peer that has
// closed already is an end, not a failure.
func (c *packetConn) join(peer string) error {
	refused := control(c.raw, func(fd int) error { return connect(fd, peer) })
	if refused != nil && !errors.Is(refused, syscall.ECONNREFUSED) && !errors.Is(refused, syscall.ENOENT) {
		return refused
	}
	err := control(c.raw, func(fd int) error { return c.sift(fd, peer) })
	if refused != nil {
		c.early = append(c.early, []byte(gramBye))
	}
	return err
}

// sift takes all queued datagrams and keeps those of the peer.
func (c *packetConn) sift(fd int, peer string) error {
	for {
		m, err := receiveNow(fd)
		switch {
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case err != nil:
			return err
		case m.from == peer:
			c.early = append(c.early, m.data)
		}
	}
}

// gramListener implements transport.Listener for datagrams.
type gramListener struct {
	nc   *net.UnixConn
	raw  syscall.RawConn
	ep   endpoint.Endpoint
	opts transport.Options
	cl   *claim.Claim // nil for an abstract name
	once sync.Once
	err  error
}

func listenGram(ep endpoint.Endpoint, opts *transport.Options) (transport.Listener, error) {
	kind, err := socketKind(ep.Scheme())
	if err != nil {
		return nil, listenError(ep, err)
	}
	fd, cl, err := bindUnix(kind, ep, opts)
	if err != nil {
		return nil, listenError(ep, err)
	}
	nc, err := fileConn(fd)
	if err != nil {
		return nil, listenError(ep, errors.Join(err, cl.Release()))
	}
	raw, err := nc.SyscallConn()
	if err != nil {
		return nil, listenError(ep, errors.Join(err, cl.Release(), nc.Close()))
	}
	return &gramListener{nc: nc, raw: raw, ep: ep, opts: *opts, cl: cl}, nil
}

// Accept implements transport.Listener. What is no request is dropped.
func (l *gramListener) Accept() (transport.Conn, error) {
	for {
		m, err := receive(l.raw)
		if err != nil {
			return nil, err
		}
		if string(m.data) == gramOpen && m.from != "" {
			return l.welcome(m)
		}
	}
}

func (l *gramListener) welcome(m message) (transport.Conn, error) {
	nc, g, err := newGram(m.from)
	if err != nil {
		return nil, err
	}
	g.creds, g.credsErr = m.creds, m.credsErr
	c, err := makePacketConn(nc, "", g)
	if err == nil {
		err = setPacketBuffers(nc, &l.opts)
	}
	if err == nil {
		_, err = nc.Write([]byte(gramWelcome))
	}
	if err != nil {
		g.remove()
		_ = nc.Close()
		return nil, err
	}
	return c, nil
}

// Endpoint implements transport.Listener.
func (l *gramListener) Endpoint() endpoint.Endpoint { return l.ep }

// Close implements transport.Listener.
func (l *gramListener) Close() error {
	l.once.Do(func() { l.err = errors.Join(l.cl.Release(), l.nc.Close()) })
	return l.err
}

// newGram makes a datagram socket with a name of its own, connected to peer unless that
// is "". It is connected before it has a name, so that nobody else ever reaches it.
func newGram(peer string) (*net.UnixConn, *gram, error) {
	fd, err := newSocket(unix.SOCK_DGRAM)
	if err != nil {
		return nil, nil, err
	}
	g := new(gram)
	if peer != "" {
		err = connect(fd, peer)
	} else {
		err = passCredentials(fd)
	}
	if err == nil {
		g.path, err = nameGram(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, nil, err
	}
	nc, err := fileConn(fd)
	if err != nil {
		g.remove()
	}
	return nc, g, err
}

// fileConn hands a descriptor over to package net, in any case.
func fileConn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}
