// SPDX-License-Identifier: Apache-2.0

package socket

import (
	"fmt"

	"github.com/plexus-ipc/plexus/transport"
)

// Inherit is not possible on Windows: errors.ErrUnsupported.
func Inherit(fd int, _ string, _ *transport.Options) (transport.Listener, error) {
	return nil, &transport.Error{Op: "listen", Endpoint: fmt.Sprintf("fd://%d", fd), Err: unsupported("an inherited socket")}
}
