// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"context"
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket/internal/claim"
)

// backlog is cut by the kernel to what the system allows (net.core.somaxconn).
const backlog = 4096

// listenUnix binds a stream or SEQPACKET endpoint.
func listenUnix(_ context.Context, ep endpoint.Endpoint, opts *transport.Options) (*listener, error) {
	kind, err := socketKind(ep.Scheme())
	if err != nil {
		return nil, err
	}
	fd, cl, err := bindUnix(kind, ep, opts)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), ep.Address())
	defer f.Close() // FileListener makes a copy
	l := &listener{ep: ep, opts: *opts, release: cl.Release}
	if err = unix.Listen(fd, backlog); err == nil {
		l.Listener, err = net.FileListener(f)
	}
	if err != nil {
		return nil, errors.Join(err, cl.Release())
	}
	return l, nil
}

// bindUnix makes a socket and binds it, with its final mode and group, but does not
// listen yet. cl is nil for an abstract name.
func bindUnix(kind int, ep endpoint.Endpoint, opts *transport.Options) (fd int, cl *claim.Claim, err error) {
	fd, err = newSocket(kind)
	if err != nil {
		return -1, nil, err
	}
	if kind == unix.SOCK_DGRAM {
		err = passCredentials(fd) // before the first request can come
	}
	switch {
	case err != nil:
	case ep.Abstract():
		err = bindAbstract(fd, kind, ep, opts)
	default:
		cl, err = bindPath(fd, kind, ep, opts)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, nil, err
	}
	return fd, cl, nil
}

// bindPath binds to a path of which it takes the claim.
func bindPath(fd, kind int, ep endpoint.Endpoint, opts *transport.Options) (*claim.Claim, error) {
	mode, group := access(ep, opts)
	cl, err := claim.Take(ep.Path(), group, func(path string) error { return probe(kind, path) })
	if err != nil {
		return nil, err
	}
	if err := bindWithMode(fd, cl, ep.Path(), group, mode); err != nil {
		return nil, errors.Join(err, cl.Release())
	}
	return cl, nil
}

// bindWithMode binds and then widens the mode to what is wanted; see doc.go for what
// others can see in between. The umask can only have narrowed it.
func bindWithMode(fd int, cl *claim.Claim, path, group string, mode uint32) error {
	_ = unix.Fchmod(fd, mode&0o700) // only Linux takes it over to the file
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	if err := cl.Bound(); err != nil {
		return err
	}
	return claim.Grant(path, group, mode)
}

func bindAbstract(fd, kind int, ep endpoint.Endpoint, opts *transport.Options) error {
	err := unix.Bind(fd, &unix.SockaddrUnix{Name: ep.Address()})
	if errors.Is(err, unix.EADDRINUSE) {
		return claim.Refuse(transport.ErrInUse, "the abstract name is served%s; stop that process or choose another name", byWhom(kind, ep.Address()))
	}
	if err == nil {
		warnIfAbstract(ep, opts)
	}
	return err
}
