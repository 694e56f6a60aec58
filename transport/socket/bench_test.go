// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"io"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// BenchmarkRoundTrip is one frame there and back between two goroutines of one process.
func BenchmarkRoundTrip(b *testing.B) {
	listen, dial := tlsOptions(b)
	for _, ep := range []func(testing.TB) endpoint.Endpoint{
		path("unix"), path("unixpacket"), path("unixgram"), fixed("tcp://127.0.0.1:0"), fixed("tls://localhost:0"),
	} {
		b.Run(ep(b).Scheme(), func(b *testing.B) {
			l, err := socket.New().Listen(b.Context(), ep(b), listen)
			check(b, err)
			defer l.Close()
			go answer(l)
			c, err := socket.New().Dial(b.Context(), l.Endpoint(), dial)
			check(b, err)
			defer c.Close()
			p := append([]byte{64, 0, 0, 0}, make([]byte, 60)...)
			b.ReportAllocs()
			for b.Loop() {
				check(b, c.Send(p))
				buf, err := c.Recv()
				check(b, err)
				buf.Release()
			}
		})
	}
}

func answer(l transport.Listener) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	for {
		b, err := c.Recv()
		if err != nil {
			return
		}
		_ = c.Send(b.Bytes())
		b.Release()
	}
}

// BenchmarkStream is the floor under a stream: batches of 64-byte frames one way.
func BenchmarkStream(b *testing.B) {
	l, err := socket.Unix().Listen(b.Context(), path("unix")(b), nil)
	check(b, err)
	defer l.Close()
	c, err := socket.Unix().Dial(b.Context(), l.Endpoint(), nil)
	check(b, err)
	s, err := l.Accept()
	check(b, err)
	p := make([]byte, 32<<10)
	for i := 0; i < len(p); i += 64 {
		p[i] = 64
	}
	done := make(chan error, 1)
	go func() {
		for {
			buf, err := s.Recv()
			if err != nil {
				done <- err
				return
			}
			buf.Release()
		}
	}()
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		check(b, c.Send(p))
	}
	check(b, c.Close())
	if err := <-done; err != io.EOF {
		b.Fatal(err)
	}
}
