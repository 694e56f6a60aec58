// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/transport/noise"
)

// selfSigned is a configuration for both ends.
func selfSigned(b *testing.B) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(b, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(b, err)
	leaf, err := x509.ParseCertificate(der)
	must(b, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool, MinVersion: tls.VersionTLS13}
}

// BenchmarkCall compares calls over tcp, noise+tcp, tls, ws and wss, one after the other in turn, so
// that what else the machine does befalls all alike: p50 of 64-byte calls, and how much 64 KiB
// calls under way at once carry in a second.
func BenchmarkCall(b *testing.B) {
	conf := selfSigned(b)
	keys := noise.Config{Shared: noise.GenerateKey()}
	type line struct {
		name  string
		c     *plexus.Client
		took  []time.Duration
		bytes int
		spent time.Duration
	}
	var lines []*line
	for name, address := range map[string]string{"tcp": "tcp://127.0.0.1:0", "noise+tcp": "noise+tcp://127.0.0.1:0", "tls": "tls://localhost:0", "ws": "ws://127.0.0.1:0/", "wss": "wss://localhost:0/"} {
		more := *set(b, keys)
		d, err := more.Lookup(noise.Scheme)
		must(b, err)
		lo := &plexus.ListenOptions{TLS: conf}
		lo.More = append(lo.More, d)
		web, err := new(daemon.WebOptions).Drivers()
		must(b, err)
		lo.More = append(lo.More, web...)
		srv, err := plexus.Listen(address, lo)
		must(b, err)
		defer srv.Close()
		_, err = plexus.Handle(srv, "echo", func(_ context.Context, p []byte) ([]byte, error) { return p, nil })
		must(b, err)
		do := &plexus.DialOptions{TLS: conf}
		do.More = lo.More
		c, err := plexus.Dial(b.Context(), srv.Endpoints()[0], do)
		must(b, err)
		defer c.Close()
		lines = append(lines, &line{name: name, c: c})
	}
	slices.SortFunc(lines, func(x, y *line) int { return len(x.name) - len(y.name) })
	small, large := make([]byte, 64), make([]byte, 64<<10)
	for b.Loop() {
		for _, l := range lines {
			echo := plexus.Bind[[]byte, []byte](l.c, "echo")
			for range 300 {
				began := time.Now()
				if _, err := echo.Call(b.Context(), small); err != nil {
					b.Fatal(err)
				}
				l.took = append(l.took, time.Since(began))
			}
			began := time.Now()
			var all []*plexus.Future[[]byte]
			for range 64 {
				all = append(all, echo.Go(b.Context(), large))
			}
			for _, f := range all {
				if _, err := f.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
				l.bytes += 2 * len(large)
			}
			l.spent += time.Since(began)
		}
	}
	for _, l := range lines {
		slices.Sort(l.took)
		b.ReportMetric(float64(l.took[len(l.took)/2].Nanoseconds())/1000, l.name+"-p50-µs")
		b.ReportMetric(float64(l.bytes)/(1<<20)/l.spent.Seconds(), l.name+"-MiB/s")
	}
}
