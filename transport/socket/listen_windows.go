// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"net"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket/internal/claim"
)

// listenUnix binds a stream endpoint at a path.
func listenUnix(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (*listener, error) {
	if ep.Scheme() != "unix" || ep.Path() == "" {
		return nil, unsupported(ep.String())
	}
	cl, err := claim.Take(ep.Path(), "", func(path string) error { return probe(ctx, path) })
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	nl, err := lc.Listen(ctx, "unix", ep.Path())
	if err != nil {
		return nil, errors.Join(err, cl.Release())
	}
	nl.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := cl.Bound(); err != nil {
		return nil, errors.Join(err, cl.Release(), nl.Close())
	}
	return &listener{Listener: nl, ep: ep, opts: *opts, release: cl.Release}, nil
}

func probe(ctx context.Context, path string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
	}
	return err
}

func dialPacket(_ context.Context, ep endpoint.Endpoint, _ *transport.Options) (transport.Conn, error) {
	return nil, dialError(ep, unsupported(ep.Scheme()))
}

func dialGram(_ context.Context, ep endpoint.Endpoint, _ *transport.Options) (transport.Conn, error) {
	return nil, dialError(ep, unsupported(ep.Scheme()))
}

func listenGram(ep endpoint.Endpoint, _ *transport.Options) (transport.Listener, error) {
	return nil, listenError(ep, unsupported(ep.Scheme()))
}

func newPacketConn(*net.UnixConn, string) (transport.Conn, error) {
	return nil, unsupported("unixpacket")
}
