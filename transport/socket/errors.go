// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket/internal/claim"
)

// dialError adds the cause of package transport and the address.
func dialError(ep endpoint.Endpoint, err error) error {
	e := &transport.Error{Op: "dial", Endpoint: ep.String(), Err: err}
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaRefused):
		e.Err = fmt.Errorf("%w (%w)", transport.ErrNobody, err)
	case errors.Is(err, fs.ErrPermission):
		e.Reason = "ask the owner of the listener for access by group or mode"
		e.Err = fmt.Errorf("%w (%w)", transport.ErrDenied, err)
	case errors.Is(err, syscall.EPROTOTYPE):
		e.Reason = "another kind of unix socket listens there (unix, unixpacket or unixgram)"
	case errors.Is(err, syscall.EAGAIN):
		e.Reason = "the listener does not accept and its backlog is full"
	}
	return e
}

// listenError adds the reason, the cause of package transport and the address.
func listenError(ep endpoint.Endpoint, err error) error {
	e := &transport.Error{Op: "listen", Endpoint: ep.String(), Err: err}
	var r *claim.Refusal
	switch {
	case errors.As(err, &r):
		e.Reason, e.Err = r.Reason, r.Err
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, wsaInUse):
		e.Reason = "stop the other process or choose another address"
		e.Err = fmt.Errorf("%w (%w)", transport.ErrInUse, err)
	case errors.Is(err, fs.ErrPermission):
		e.Err = fmt.Errorf("%w (%w)", transport.ErrDenied, err)
	}
	return e
}
