// SPDX-License-Identifier: Apache-2.0

package sockets

import (
	"io"
	"net"
	"strconv"
	"testing"
)

// buffers are the sizes that are compared, 0 is the system's.
var buffers = []int{0, 64 << 10, 256 << 10, 1 << 20}

// BenchmarkStream sends messages one after the other to a reader that reads 128 KiB at a
// time.
func BenchmarkStream(b *testing.B) {
	everyBuffer(b, func(b *testing.B, network string, size, buffer int) {
		c, received := connect(b, network, buffer)
		message := make([]byte, size)
		b.SetBytes(int64(size))
		for b.Loop() {
			if _, err := c.Write(message); err != nil {
				b.Fatal(err)
			}
		}
		c.Close()
		if n := <-received; n != int64(b.N)*int64(size) {
			b.Fatalf("%d bytes came of %d messages", n, b.N)
		}
	})
}

// BenchmarkRoundTrip sends a message and waits until it is back.
func BenchmarkRoundTrip(b *testing.B) {
	everyBuffer(b, func(b *testing.B, network string, size, buffer int) {
		ended := make(chan struct{})
		c := dial(b, network, buffer, func(c net.Conn) {
			defer close(ended)
			echo(c, size)
		})
		message := make([]byte, size)
		b.SetBytes(int64(size))
		for b.Loop() {
			if _, err := c.Write(message); err != nil {
				b.Fatal(err)
			}
			if _, err := io.ReadFull(c, message); err != nil {
				b.Fatal(err)
			}
		}
		c.Close()
		<-ended
	})
}

// echo sends messages of a size back once they have come whole, as a method would.
func echo(c net.Conn, size int) {
	for message := make([]byte, size); ; {
		if _, err := io.ReadFull(c, message); err != nil {
			return
		}
		if _, err := c.Write(message); err != nil {
			return
		}
	}
}

func everyBuffer(b *testing.B, f func(b *testing.B, network string, size, buffer int)) {
	for _, network := range []string{"unix", "tcp"} {
		for _, size := range []int{64, 1 << 10, 64 << 10, 1 << 20} {
			for _, buffer := range buffers {
				name := network + "/" + strconv.Itoa(size) + "/default"
				if buffer > 0 {
					name = network + "/" + strconv.Itoa(size) + "/" + strconv.Itoa(buffer)
				}
				b.Run(name, func(b *testing.B) { f(b, network, size, buffer) })
			}
		}
	}
}
