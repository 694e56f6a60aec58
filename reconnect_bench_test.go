// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
)

// BenchmarkRestore is how long it takes, from the moment an attempt is due, until a client whose
// hub was replaced is connected, and has again what it had: so many subscriptions in ten
// channels, and one method.
func BenchmarkRestore(b *testing.B) {
	for _, n := range []int{0, 100, 1000} {
		b.Run(fmt.Sprintf("%d subscriptions", n), func(b *testing.B) { benchmarkRestore(b, n) })
	}
}

func benchmarkRestore(b *testing.B, n int) {
	address := path(b)
	serve := func() *plexus.Server {
		srv, err := plexus.Listen(address, &plexus.ListenOptions{Hub: hub.New(hub.Config{})})
		must(b, err)
		return srv
	}
	srv := serve()
	defer func() { srv.Close() }()
	var due time.Time
	took := make(chan time.Duration, 1)
	c, err := plexus.Dial(context.Background(), address, &plexus.DialOptions{Reconnect: &client.Reconnect{OnState: func(s client.State) {
		switch s.Phase {
		case client.Retrying:
			due = time.Now().Add(s.Delay)
		case client.Connected:
			took <- time.Since(due)
		}
	}}})
	must(b, err)
	defer c.Close()
	<-took
	_, err = plexus.Handle(c.Channel("c0"), "add", add)
	must(b, err)
	for i := range n {
		_, err := plexus.Subscribe[int](context.Background(), c.Channel(fmt.Sprintf("c%d", i%10)), fmt.Sprintf("topic%d.>", i))
		must(b, err)
	}
	var sum time.Duration
	for b.Loop() {
		srv.Close()
		srv = serve()
		sum += <-took
	}
	b.ReportMetric(float64(sum.Microseconds())/float64(b.N), "µs/restore")
}
