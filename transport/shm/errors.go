// SPDX-License-Identifier: Apache-2.0

package shm

import "errors"

// ErrPeer is the cause, inside a *transport.Error, when the peer has written something into
// its shared memory, or sent something over the control socket, that no honest peer does.
// The connection is unusable then; nothing else is harmed.
var ErrPeer = errors.New("shm: the peer breaks the rules of shared memory")
