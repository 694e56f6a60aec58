// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// lines are the transports that are compared, over the same TCP.
func lines(b *testing.B) map[string]func() (a, z transport.Conn) {
	b.Helper()
	conf := selfSigned(b)
	connect := func(tr transport.Transport, address string) (transport.Conn, transport.Conn) {
		opts := &transport.Options{TLS: conf}
		l, err := tr.Listen(b.Context(), parse(b, address), opts)
		check(b, err)
		defer l.Close()
		got := make(chan transport.Conn, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				if bi, ok := c.(transport.Binder); ok {
					_, _ = bi.ChannelBinding()
				}
			}
			got <- c
		}()
		c, err := tr.Dial(b.Context(), l.Endpoint(), opts)
		check(b, err)
		return c, <-got
	}
	return map[string]func() (a, z transport.Conn){
		"tcp": func() (a, z transport.Conn) { return connect(socket.TCP(), "tcp://127.0.0.1:0") },
		"tls": func() (a, z transport.Conn) { return connect(socket.TLS(), "tls://localhost:0") },
		"noise+tcp": func() (a, z transport.Conn) {
			return connect(driver(b, Config{Shared: sharedKey}), "noise+tcp://127.0.0.1:0")
		},
	}
}

func selfSigned(b *testing.B) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(b, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	check(b, err)
	leaf, err := x509.ParseCertificate(der)
	check(b, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: pool, MinVersion: tls.VersionTLS13}
}

// BenchmarkRoundTrip is one small frame there and back.
func BenchmarkRoundTrip(b *testing.B) {
	all := lines(b)
	for _, name := range []string{"tcp", "noise+tcp", "tls"} {
		b.Run(name, func(b *testing.B) {
			a, z := all[name]()
			defer func() { _, _ = a.Close(), z.Close() }()
			go func() {
				for {
					f, err := z.Recv()
					if err != nil {
						return
					}
					_ = z.Send(f.Bytes())
					f.Release()
				}
			}()
			p := frameOf(string(make([]byte, 60)))
			b.ReportAllocs()
			for b.Loop() {
				check(b, a.Send(p))
				f, err := a.Recv()
				check(b, err)
				f.Release()
			}
		})
	}
}

// BenchmarkStream is how fast frames of 64 KiB go one way.
func BenchmarkStream(b *testing.B) {
	all := lines(b)
	for _, name := range []string{"tcp", "noise+tcp", "tls"} {
		b.Run(name, func(b *testing.B) {
			a, z := all[name]()
			p := frameOf(string(make([]byte, 64<<10)))
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			over := make(chan struct{})
			n := 0
			go func() {
				defer close(over)
				for {
					f, err := z.Recv()
					if err != nil {
						return
					}
					n++
					f.Release()
				}
			}()
			for b.Loop() {
				check(b, a.Send(p))
			}
			_ = a.Close()
			<-over
			_ = z.Close()
		})
	}
}
