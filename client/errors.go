// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// flushTimeout bounds how long Close waits for a peer that reads nothing.
const flushTimeout = time.Second

// unreachable turns a failure to dial into a status with its own code.
func unreachable(err error) error {
	if e, ok := errors.AsType[*status.Error](err); ok {
		return e
	}
	code := status.Unavailable
	switch {
	case errors.Is(err, context.Canceled):
		code = status.Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		code = status.DeadlineExceeded
	case errors.Is(err, errors.ErrUnsupported):
		code = status.Unsupported
	case errors.Is(err, transport.ErrDenied):
		code = status.PermissionDenied
	}
	return &status.Error{Code: code, Message: err.Error(), Err: err, Retry: status.RetrySafe}
}
