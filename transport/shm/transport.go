// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Upgrade is the name of the upgrade in HELLO.
const Upgrade = "shm1"

// Options tune connections. The nil pointer and the zero value are useful.
type Options struct {
	// Ring is the size in bytes of what this side sends through, 0 for 256 KiB; it is
	// rounded up to a power of two between 256 KiB and 64 MiB.
	Ring int
	// Arenas bounds, in bytes, the memory of blocks that this side lends, and of those
	// that it borrows, per connection; 0 for 128 MiB, negative for none.
	Arenas int64
	// Spin is how long to poll before sleeping, 0 for 50 µs, negative for not at all. A
	// hub, which many wait for, should take 200 µs.
	Spin time.Duration
	// Idle is after which time without use memory for lent blocks is given up, at the
	// latest after twice as long; 0 for 10 s.
	Idle time.Duration
}

func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	ring := 256 << 10
	for ring < d.Ring && ring < 64<<20 {
		ring *= 2
	}
	d.Ring = ring
	switch {
	case d.Arenas == 0:
		d.Arenas = 128 << 20
	case d.Arenas < 0:
		d.Arenas = 0
	}
	if d.Spin == 0 {
		d.Spin = 50 * time.Microsecond
	}
	if d.Idle <= 0 {
		d.Idle = 10 * time.Second
	}
	return d
}

// Transport is the driver for the scheme shm. It has no state: all methods may be called
// from any goroutine.
type Transport struct {
	base transport.Transport
	opts Options
}

var _ transport.Transport = (*Transport)(nil)

// New returns the driver. Its connections begin as those of base, a driver for the scheme
// unix whose Conns can be detached. opts may be nil.
func New(base transport.Transport, opts *Options) *Transport {
	return &Transport{base, opts.withDefaults()}
}

// Schemes implements transport.Transport.
func (t *Transport) Schemes() []string { return []string{"shm"} }

// Adopt returns a Conn over c, a Conn of the base that was made in another way, that offers
// an upgrade, too; or c itself where none can be made. c belongs to it from now on.
func (t *Transport) Adopt(c transport.Conn) transport.Conn { return t.wrap(c, "") }

// Dial implements transport.Transport: it connects to the unix socket at the path of ep,
// whatever listens there. The Conn offers an upgrade if it can be made. Where this system
// has no memory to share the error is errors.ErrUnsupported.
func (t *Transport) Dial(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	meet, err := meeting(ep)
	if err != nil {
		return nil, &transport.Error{Op: "dial", Endpoint: ep.String(), Err: err}
	}
	c, err := t.base.Dial(ctx, meet, opts)
	if err != nil {
		return nil, renamed(err, ep)
	}
	return t.wrap(c, ep.String()), nil
}

// Listen implements transport.Transport: it binds the unix socket at the path of ep, where
// plain unix peers are served as well.
func (t *Transport) Listen(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Listener, error) {
	meet, err := meeting(ep)
	if err != nil {
		return nil, &transport.Error{Op: "listen", Endpoint: ep.String(), Err: err}
	}
	l, err := t.base.Listen(ctx, meet, opts)
	if err != nil {
		return nil, renamed(err, ep)
	}
	return &listener{t: t, base: l, ep: ep}, nil
}

// meeting returns the address of the unix socket at which the sides of ep meet.
func meeting(ep endpoint.Endpoint) (endpoint.Endpoint, error) {
	if !here {
		return ep, fmt.Errorf("memory shared by processes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
	}
	return ep.WithScheme("unix")
}

// renamed makes an error of base's tell the address that was asked for.
func renamed(err error, ep endpoint.Endpoint) error {
	var e *transport.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Endpoint = ep.String()
	return &named
}

// listener implements transport.Listener.
type listener struct {
	t    *Transport
	base transport.Listener
	ep   endpoint.Endpoint
}

func (l *listener) Endpoint() endpoint.Endpoint { return l.ep }
func (l *listener) Close() error                { return l.base.Close() }

func (l *listener) Accept() (transport.Conn, error) {
	c, err := l.base.Accept()
	if err != nil {
		return nil, err
	}
	return l.t.wrap(c, ""), nil
}
