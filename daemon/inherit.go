// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// Inherited is a socket that listens already, which a service manager has handed over.
type Inherited struct {
	// FD is the number of its descriptor.
	FD int
	// Name is what the manager calls it. "tls" has it served with TLS, anything else as what
	// it is: unix or tcp.
	Name string
}

// maxInherited is how many sockets a service manager may hand over.
const maxInherited = 64

// firstInherited is the number of the first of them (sd_listen_fds).
const firstInherited = 3

// InheritedSockets returns the sockets that the variables of a service manager tell of
// (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES; see sd_listen_fds(3)): none if they are not set,
// or are meant for another process than pid. Nothing is done with the descriptors. The
// variables should be unset afterwards, so that children do not take them for theirs.
func InheritedSockets(getenv func(string) string, pid int) ([]Inherited, error) {
	fds, to, names := getenv("LISTEN_FDS"), getenv("LISTEN_PID"), getenv("LISTEN_FDNAMES")
	if fds == "" || to == "" {
		return nil, nil
	}
	n, err := strconv.Atoi(to)
	if err != nil || n <= 0 {
		return nil, status.Errorf(status.InvalidArgument, "LISTEN_PID=%q is no process", to)
	}
	if n != pid {
		return nil, nil
	}
	n, err = strconv.Atoi(fds)
	if err != nil || n < 0 || n > maxInherited {
		return nil, status.Errorf(status.InvalidArgument, "LISTEN_FDS=%q is no number of sockets from 0 to %d", fds, maxInherited)
	}
	all := make([]Inherited, n)
	for i := range all {
		all[i].FD = firstInherited + i
	}
	if names == "" {
		return all, nil
	}
	each := strings.Split(names, ":")
	if len(each) != n {
		return nil, status.Errorf(status.InvalidArgument, "LISTEN_FDNAMES has %d names for %d sockets", len(each), n)
	}
	for i := range all {
		all[i].Name = each[i]
	}
	return all, nil
}

// inherit serves the sockets that were handed over.
func (d *Daemon) inherit(ctx context.Context) error {
	for _, in := range d.cfg.Inherited {
		scheme := ""
		if in.Name == "tls" {
			scheme = "tls"
		}
		l, err := socket.Inherit(in.FD, scheme, &d.opts)
		if err != nil {
			return status.Errorf(status.InvalidArgument, "socket %q that was handed over: %w", in.Name, err)
		}
		if ep := l.Endpoint(); ep.Scheme() == "unix" && !ep.Abstract() {
			l = sharing(ctx, l)
		}
		d.srv.Take(l)
	}
	return nil
}

// sharing lets those who come by a unix socket share memory, too, where that can be; as at the
// addresses that the daemon binds itself.
func sharing(ctx context.Context, l transport.Listener) transport.Listener {
	ep, err := l.Endpoint().WithScheme("shm")
	if err != nil {
		return l
	}
	both, err := shm.New(handed{Transport: socket.Unix(), l: l}, &shm.Options{Spin: 200 * time.Microsecond}).Listen(ctx, ep, nil)
	if err != nil {
		return l // there is no memory to share on this system
	}
	return both
}

// handed is a driver whose one listener was made before.
type handed struct {
	transport.Transport
	l transport.Listener
}

// Listen implements transport.Transport.
func (h handed) Listen(context.Context, endpoint.Endpoint, *transport.Options) (transport.Listener, error) {
	return h.l, nil
}
