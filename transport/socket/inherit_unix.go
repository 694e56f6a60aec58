// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Inherit returns a Listener over descriptor fd, a socket that was bound and listens already:
// as a service manager hands it over. scheme is unix, tcp or tls, or "" for unix or tcp,
// whichever the socket is. The real address is that of the Listener's Endpoint. The
// descriptor is closed under its own number, and no further child inherits it; unless it is
// no such socket: then it is left as it is, and the error says what it is instead. What the
// socket's path is, who made it and with which mode, is not looked at; the Listener's Close
// leaves the path alone. The Conns tell the credentials of their peers as those of Listen do.
func Inherit(fd int, scheme string, opts *transport.Options) (transport.Listener, error) {
	if opts == nil {
		opts = new(transport.Options)
	}
	name := fmt.Sprintf("fd://%d", fd)
	ep, err := inheritable(fd, scheme)
	if err != nil {
		return nil, &transport.Error{Op: "listen", Endpoint: name, Err: err}
	}
	l := &listener{ep: ep, opts: *opts}
	if ep.Scheme() == "tls" {
		if l.opts.TLS, err = serverTLS(opts); err != nil {
			return nil, listenError(ep, err)
		}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if l.Listener, err = net.FileListener(f); err != nil { // it makes a copy that is not inherited
		return nil, listenError(ep, err)
	}
	switch {
	case ep.Abstract():
		warnIfAbstract(ep, opts)
	case ep.Network() == "tcp":
		warnIfWide(l.Addr(), ep, opts)
	}
	return frameListener{l}, nil
}

// inheritable returns the address of a descriptor that is a stream socket which listens, of
// the family that the scheme has.
func inheritable(fd int, scheme string) (ep endpoint.Endpoint, err error) {
	if fd < 3 {
		return ep, errors.New("descriptors 0 to 2 are standard input, output and error")
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return ep, fmt.Errorf("it is no socket: %w", err)
	}
	if kind != unix.SOCK_STREAM {
		return ep, errors.New("it is a socket of packets, not of a stream of bytes")
	}
	if v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || v == 0 {
		return ep, errors.New("it is a socket that does not listen")
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return ep, err
	}
	switch a := addr.(type) {
	case *unix.SockaddrUnix:
		return unixAt(a.Name, scheme)
	case *unix.SockaddrInet4:
		return tcpAt(net.IP(a.Addr[:]).String(), a.Port, scheme)
	case *unix.SockaddrInet6:
		return tcpAt(net.IP(a.Addr[:]).String(), a.Port, scheme)
	}
	return ep, fmt.Errorf("it is a socket of another family than unix and tcp: %T", addr)
}

func unixAt(name, scheme string) (ep endpoint.Endpoint, err error) {
	switch {
	case scheme != "" && scheme != "unix":
		return ep, fmt.Errorf("it is a unix socket, %s was to be served", scheme)
	case name == "":
		return ep, errors.New("it is a unix socket without a name")
	case name[0] == '@':
		return endpoint.Parse("unix://" + name)
	}
	return endpoint.Unix(name)
}

func tcpAt(host string, port int, scheme string) (ep endpoint.Endpoint, err error) {
	switch scheme {
	case "", "tcp":
		return endpoint.TCP(host, port)
	case "tls":
		if ep, err = endpoint.TCP(host, port); err == nil {
			ep, err = ep.WithScheme("tls")
		}
		return ep, err
	}
	return ep, fmt.Errorf("it is a tcp socket, %s was to be served", scheme)
}
