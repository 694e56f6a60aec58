// SPDX-License-Identifier: Apache-2.0

// Package sockets asks two questions about sockets on this machine, below Plexus, so that
// what is answered is not the library: how a header and a payload that lie apart should go
// into one (writes_test.go), and what larger buffers give (buffers_test.go). What came out,
// and what follows from it, stands in docs/tuning.md.
//
//	go test -run '^$' -bench . -count 5 ./bench/sockets
package sockets

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// connect returns a connection to a reader, and how many bytes that has read at the end.
func connect(tb testing.TB, network string, buffer int) (net.Conn, <-chan int64) {
	tb.Helper()
	received := make(chan int64, 1)
	c := dial(tb, network, buffer, func(c net.Conn) { received <- readAll(c) })
	return c, received
}

// dial returns a connection whose other end serve has until it returns. Both have buffers
// of a size, 0 for the system's.
func dial(tb testing.TB, network string, buffer int, serve func(net.Conn)) net.Conn {
	tb.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "plexus")
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { os.RemoveAll(dir) })
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		tb.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = setBuffers(c, buffer)
		}
		l.Close()
		accepted <- err
		if c != nil {
			serve(c)
			c.Close()
		}
	}()
	c, err := net.Dial(network, l.Addr().String())
	if err == nil {
		err = setBuffers(c, buffer)
	}
	if err != nil {
		tb.Fatal(err)
	}
	if err := <-accepted; err != nil {
		tb.Fatal(err)
	}
	return c
}

func setBuffers(c net.Conn, buffer int) error {
	if buffer == 0 {
		return nil
	}
	b := c.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	})
	if err := b.SetReadBuffer(buffer); err != nil {
		return err
	}
	return b.SetWriteBuffer(buffer)
}

// readAll reads until the end, and returns how many bytes there were.
func readAll(c net.Conn) (total int64) {
	for chunk := make([]byte, chunkSize); ; {
		n, err := c.Read(chunk)
		total += int64(n)
		if err != nil { // io.EOF, or the count tells
			return total
		}
	}
}

// chunkSize is how much is read at once: as much as Plexus does.
const chunkSize = 128 << 10
