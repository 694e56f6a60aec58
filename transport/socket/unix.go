// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// dialUnix connects a stream or SEQPACKET socket.
func dialUnix(ctx context.Context, network string, ep endpoint.Endpoint, opts *transport.Options) (*net.UnixConn, error) {
	var d net.Dialer
	var c *net.UnixConn
	err := retryBusy(ctx, func() error {
		nc, err := d.DialContext(ctx, network, ep.Address())
		if err == nil {
			c = nc.(*net.UnixConn)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := setBuffers(c, opts); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Pauses between two attempts at a listener whose backlog is full.
const (
	firstPause = time.Millisecond
	lastPause  = 50 * time.Millisecond
)

// retryBusy repeats try while it says EAGAIN, which is how a full backlog looks to a
// dialler that does not wait, until ctx ends. The error then is that of ctx and EAGAIN,
// also if ctx ends within try.
func retryBusy(ctx context.Context, try func() error) error {
	var busy error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := try()
		if !errors.Is(err, syscall.EAGAIN) {
			if busy != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
				return errors.Join(err, busy)
			}
			return err
		}
		busy = err
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), busy)
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// access returns the mode and group for a socket path: Options first, then the address.
func access(ep endpoint.Endpoint, opts *transport.Options) (mode uint32, group string) {
	group = opts.Group
	if group == "" {
		group, _ = ep.Option("group")
	}
	m := opts.Mode.Perm()
	if m == 0 {
		m, _ = ep.Mode()
	}
	switch {
	case m != 0:
	case group != "":
		m = 0o660
	default:
		m = 0o600
	}
	return uint32(m), group
}

// warnIfAbstract tells that a name protects nothing.
func warnIfAbstract(ep endpoint.Endpoint, opts *transport.Options) {
	if opts.Warn != nil {
		opts.Warn("listening on " + ep.String() + ", an abstract name, which every user of this machine can connect to: use a path, or check the peer's credentials")
	}
}
