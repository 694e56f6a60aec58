// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// dialTCP connects; package net turns no-delay on.
func dialTCP(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (*net.TCPConn, error) {
	d := net.Dialer{KeepAlive: keepAlive(opts)}
	nc, err := d.DialContext(ctx, "tcp", ep.Address())
	if err != nil {
		return nil, err
	}
	c := nc.(*net.TCPConn)
	if err := setBuffers(c, opts); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// listenTCP binds a tcp or tls endpoint.
func listenTCP(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (*listener, error) {
	l := &listener{opts: *opts}
	if ep.Scheme() == "tls" {
		conf, err := serverTLS(opts)
		if err != nil {
			return nil, err
		}
		l.opts.TLS = conf
	}
	lc := net.ListenConfig{KeepAlive: keepAlive(opts)}
	nl, err := lc.Listen(ctx, "tcp", ep.Address())
	if err != nil {
		return nil, err
	}
	l.Listener = nl
	if l.ep, err = boundTo(ep, nl.Addr()); err != nil {
		return nil, errors.Join(err, nl.Close())
	}
	warnIfWide(nl.Addr(), ep, opts)
	return l, nil
}

// boundTo returns ep with the port that the system chose. The host stays as it was given,
// so that a name still matches its certificate.
func boundTo(ep endpoint.Endpoint, addr net.Addr) (endpoint.Endpoint, error) {
	if ep.Port() != 0 {
		return ep, nil
	}
	text, query, _ := strings.Cut(ep.String(), "?")
	text = strings.TrimSuffix(text, "0") + strconv.Itoa(addr.(*net.TCPAddr).Port)
	if query != "" {
		text += "?" + query
	}
	return endpoint.Parse(text)
}

// warnIfWide tells that other machines may connect.
func warnIfWide(addr net.Addr, ep endpoint.Endpoint, opts *transport.Options) {
	ap, err := netip.ParseAddrPort(addr.String())
	if opts.Warn == nil || err == nil && ap.Addr().Unmap().IsLoopback() {
		return
	}
	what := "everybody who reaches it can read and change what is sent; bind 127.0.0.1 or use tls"
	if ep.Scheme() == "tls" {
		what = "make sure that only those connect who should, by client certificates or a secret"
	}
	opts.Warn("listening on " + addr.String() + ", which other machines can reach: " + what)
}
