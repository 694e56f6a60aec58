// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"testing"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
	"github.com/plexus-ipc/plexus/transport/transporttest"
)

// TestBefore is the suite over a connection that has not been upgraded.
func TestBefore(t *testing.T) {
	transporttest.Test(t, transporttest.Factory{
		Transport: shm.New(socket.Unix(), nil),
		Endpoint:  path,
		Abilities: []transporttest.Ability{
			transporttest.TrySend, transporttest.Ready, transporttest.Interrupt, transporttest.Credentials,
			transporttest.RemoteAddress, transporttest.Upgrade,
		},
		NoAllocations: true,
	})
}

// TestAfter is the suite over shared memory.
func TestAfter(t *testing.T) { after(t, nil) }

// TestSleepers is the same without polling: everybody is woken each time.
func TestSleepers(t *testing.T) { after(t, &shm.Options{Spin: -1, Arenas: 8 << 20}) }

func after(t *testing.T, o *shm.Options) {
	transporttest.Test(t, transporttest.Factory{
		Pair: func(t testing.TB) (a, b transport.Conn) { return pair(t, o) },
		Abilities: []transporttest.Ability{
			transporttest.TrySend, transporttest.Ready, transporttest.Interrupt, transporttest.Credentials,
			transporttest.RemoteAddress, transporttest.Batch, transporttest.Poll, transporttest.Lend,
		},
		NoAllocations: true,
		WholeFrames:   true,
	})
}
