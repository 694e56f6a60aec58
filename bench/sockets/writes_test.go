// SPDX-License-Identifier: Apache-2.0

package sockets

import (
	"net"
	"strconv"
	"testing"
)

// headerSize is that of a frame.
const headerSize = 40

// ways to write a header and a payload. Each returns a function that does it once and
// allocates nothing.
var ways = []struct {
	name string
	make func(c net.Conn, header, payload []byte) func() error
}{
	{"joined", joined}, {"two", two}, {"vector", vector},
}

func joined(c net.Conn, header, payload []byte) func() error {
	out := make([]byte, 0, len(header)+len(payload))
	return func() error {
		out = append(append(out[:0], header...), payload...)
		_, err := c.Write(out)
		return err
	}
}

func two(c net.Conn, header, payload []byte) func() error {
	return func() error {
		if _, err := c.Write(header); err != nil {
			return err
		}
		_, err := c.Write(payload)
		return err
	}
}

func vector(c net.Conn, header, payload []byte) func() error {
	parts := make([][]byte, 2)
	var v net.Buffers
	return func() error {
		parts[0], parts[1] = header, payload // writing consumes them
		v = parts
		_, err := v.WriteTo(c)
		return err
	}
}

// BenchmarkWrites streams messages to a reader that reads 128 KiB at a time.
func BenchmarkWrites(b *testing.B) {
	for _, network := range []string{"unix", "tcp"} {
		for _, size := range []int{64, 1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20} {
			for _, way := range ways {
				b.Run(network+"/"+strconv.Itoa(size)+"/"+way.name, func(b *testing.B) {
					c, received := connect(b, network, 0)
					write := way.make(c, make([]byte, headerSize), make([]byte, size))
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						if err := write(); err != nil {
							b.Fatal(err)
						}
					}
					c.Close()
					if n := <-received; n != int64(b.N)*int64(headerSize+size) {
						b.Fatalf("%d bytes came of %d messages", n, b.N)
					}
				})
			}
		}
	}
}

// TestWays: all of them write the same, and allocate nothing.
func TestWays(t *testing.T) {
	for _, way := range ways {
		c, received := connect(t, "unix", 0)
		write := way.make(c, make([]byte, headerSize), make([]byte, 1000))
		allocs := testing.AllocsPerRun(10, func() {
			if err := write(); err != nil {
				t.Fatal(err)
			}
		})
		c.Close()
		if n := <-received; n != 11*(headerSize+1000) || allocs != 0 {
			t.Errorf("%s: %d bytes, %v allocations", way.name, n, allocs)
		}
	}
}
