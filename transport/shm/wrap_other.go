// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package shm

import "github.com/plexus-ipc/plexus/transport"

// here says whether memory can be shared safely on this system.
const here = false

func (t *Transport) wrap(c transport.Conn, _ string) transport.Conn { return c }
