// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/supervise"
)

// echo answers with what it gets, and does nothing else.
func echo(string) error {
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = plexus.Handle(p.Client(), "echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	if err != nil {
		return err
	}
	if err := p.Ready(); err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// BenchmarkStart is the time from Start to a child that is ready, per hand-over; bare is
// the time from the start to the end of a process that does nothing.
func BenchmarkStart(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		median(b, func() time.Duration {
			cfg := self("well")
			cfg.Handover, cfg.Ready = supervise.None, supervise.Started
			began := time.Now()
			c, err := supervise.Start(b.Context(), cfg)
			check(b, err)
			<-c.Done()
			return time.Since(began)
		})
	})
	for _, way := range ways() {
		b.Run(string(way), func(b *testing.B) {
			median(b, func() time.Duration {
				cfg := self("echo")
				cfg.Handover = way
				began := time.Now()
				c, err := supervise.Start(b.Context(), cfg)
				check(b, err)
				took := time.Since(began)
				check(b, c.Stop(b.Context()))
				return took
			})
		})
	}
}

// BenchmarkCall is a call of 64 bytes to a child, per hand-over; plain is the same child at
// a unix socket that it listens at.
func BenchmarkCall(b *testing.B) {
	payload := make([]byte, 64)
	call := func(b *testing.B, c plexus.Caller) {
		m := plexus.Bind[[]byte, []byte](c, "echo")
		for range 2000 {
			_, err := m.Call(b.Context(), payload)
			check(b, err)
		}
		median(b, func() time.Duration {
			began := time.Now()
			_, err := m.Call(b.Context(), payload)
			check(b, err)
			return time.Since(began)
		})
	}
	b.Run("plain", func(b *testing.B) {
		cfg := self("echoListen")
		cfg.Handover, cfg.Ready = supervise.None, supervise.Said
		c := begin(b, cfg)
		client, err := plexus.Dial(b.Context(), c.Endpoint(), nil)
		check(b, err)
		defer client.Close()
		call(b, client)
	})
	for _, way := range ways() {
		b.Run(string(way), func(b *testing.B) {
			cfg := self("echo")
			cfg.Handover = way
			call(b, begin(b, cfg).Peer())
		})
	}
}

// echoListen is echo at its own socket.
func echoListen(string) error {
	p, err := supervise.Connect(context.Background(), nil)
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = p.Listen(nil, func(s *plexus.Server) error {
		_, err := plexus.Handle(s, "echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
		return err
	})
	if err != nil {
		return err
	}
	<-p.Done()
	return nil
}

// median runs f b.N times and reports the median.
func median(b *testing.B, f func() time.Duration) {
	all := make([]time.Duration, 0, b.N)
	for b.Loop() {
		all = append(all, f())
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1000, "µs/median")
}
