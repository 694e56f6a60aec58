// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
)

var lifeOptions = &shm.Options{Arenas: 8 << 20}

func life(c transport.Conn) error { return nil }
