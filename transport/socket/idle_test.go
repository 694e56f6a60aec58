// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// TestIdleMemory: a Conn that waits has given its chunk (128 KiB) back.
func TestIdleMemory(t *testing.T) { idleMemory(t, nil) }

// TestPartMemory: also one that waits for the rest of a frame of which little has come.
func TestPartMemory(t *testing.T) {
	part := make([]byte, 100)
	copy(part, []byte{0, 0, 1, 0}) // 64 KiB
	idleMemory(t, part)
}

// idleMemory has many pairs of Conns exchange a frame, and the beginning of another.
func idleMemory(t *testing.T, part []byte) {
	const pairs, most = 50, 16 << 10
	l, err := socket.Unix().Listen(t.Context(), path("unix")(t), nil)
	check(t, err)
	defer l.Close()
	before := heap()
	var all []transport.Conn
	var waiting sync.WaitGroup
	seen := make(chan error, 2*pairs)
	for range pairs {
		c, err := socket.Unix().Dial(t.Context(), l.Endpoint(), nil)
		check(t, err)
		s, err := l.Accept()
		check(t, err)
		check(t, c.Send(append([]byte{8, 0, 0, 0, 1, 2, 3, 4}, part...)))
		all = append(all, c, s)
		for _, x := range []transport.Conn{s, c} {
			waiting.Go(func() { receiveAll(x, seen) })
		}
	}
	for range pairs {
		check(t, <-seen)
	}
	if each := (int64(heap()) - int64(before)) / (2 * pairs); each > most {
		t.Errorf("%d bytes per waiting Conn", each)
	} else {
		t.Logf("%d bytes per waiting Conn", each)
	}
	for _, c := range all {
		_ = c.Close()
	}
	waiting.Wait()
}

// receiveAll tells of each frame and ends with the Conn.
func receiveAll(c transport.Conn, seen chan<- error) {
	for {
		b, err := c.Recv()
		if err != nil {
			return
		}
		b.Release()
		seen <- nil
	}
}

// heap is what is in use once the pools are empty.
func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
