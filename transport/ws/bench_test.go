// SPDX-License-Identifier: Apache-2.0

package ws

import (
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// BenchmarkExchange compares a frame there and back over tcp, ws and wss, in turn, so that what
// else the machine does befalls all alike. It reports the median of each.
func BenchmarkExchange(b *testing.B) {
	opts := &transport.Options{TLS: certificate(b)}
	type line struct {
		name string
		a    transport.Conn
		took []time.Duration
	}
	var lines []*line
	for name, address := range map[string]string{"tcp": "tcp://127.0.0.1:0", "ws": "ws://127.0.0.1:0/", "wss": "wss://localhost:0/"} {
		set := transport.NewSet(socket.TCP(), driver(b, Config{}))
		l, err := set.Listen(b.Context(), parse(b, address), opts)
		check(b, err)
		defer l.Close()
		a, err := set.Dial(b.Context(), l.Endpoint(), opts)
		check(b, err)
		defer a.Close()
		z, err := l.Accept()
		check(b, err)
		defer z.Close()
		go func() {
			for {
				f, err := z.Recv()
				if err != nil || z.Send(f.Bytes()) != nil {
					return
				}
				f.Release()
			}
		}()
		lines = append(lines, &line{name: name, a: a})
	}
	p := frame(64)
	for b.Loop() {
		for _, l := range lines {
			start := time.Now()
			check(b, l.a.Send(p))
			f, err := l.a.Recv()
			check(b, err)
			f.Release()
			l.took = append(l.took, time.Since(start))
		}
	}
	for _, l := range lines {
		slices.Sort(l.took)
		b.ReportMetric(float64(l.took[len(l.took)/2].Nanoseconds())/1e3, l.name+"-p50-µs")
	}
}
