// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package fd

import (
	"errors"
	"fmt"
	"net"
	"runtime"
)

// inherit is not possible on this system.
func inherit(int) (net.Conn, net.Listener, error) {
	return nil, nil, fmt.Errorf("%w: descriptors of sockets are not inherited on %s: %w", errNoSocket, runtime.GOOS, errors.ErrUnsupported)
}
