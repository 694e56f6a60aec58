// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/operation"
)

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	change func(*x509.Certificate) // of what it issues, may be nil
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: folder(t)}
	a.cert, a.key = a.issue("ca", nil)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

func (a *authority) write(name, kind string, der []byte) {
	must(a.t, os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// issue writes name.pem and name-key.pem. Without a parent it is the authority's own.
func (a *authority) issue(name string, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: parent == nil,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if a.change != nil {
		a.change(c)
	}
	if parent == nil {
		parent, a.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	must(a.t, err)
	a.write(name, "CERTIFICATE", der)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(a.t, err)
	a.write(name+"-key", "PRIVATE KEY", secret)
	made, err := x509.ParseCertificate(der)
	must(a.t, err)
	return made, key
}

// files are those of an issued certificate.
func (a *authority) files(name string) daemon.TLSFiles {
	a.issue(name, a.cert)
	return daemon.TLSFiles{Cert: a.path(name), Key: a.path(name + "-key")}
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	server, client := a.files("server"), a.files("client")
	both := server
	both.CA = a.path("ca")
	for _, c := range []struct {
		name           string
		server, client daemon.TLSFiles
		ok             bool
	}{
		{"server known", server, daemon.TLSFiles{CA: a.path("ca")}, true},
		{"server unknown", server, daemon.TLSFiles{}, false},
		{"both known", both, daemon.TLSFiles{CA: a.path("ca"), Cert: client.Cert, Key: client.Key}, true},
		{"client unknown", both, daemon.TLSFiles{CA: a.path("ca")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, daemon.Config{Listen: []string{"tls://127.0.0.1:0"}, TLS: c.server})
			conf, err := c.client.Client()
			must(t, err)
			cl, err := plexus.Dial(t.Context(), r.Endpoints()[0], &plexus.DialOptions{TLS: conf})
			if err == nil {
				defer cl.Close()
				err = cl.Operate(t.Context(), operation.Status, operation.Empty{}, nil)
			}
			if (err == nil) != c.ok {
				t.Error(err)
			}
		})
	}
}
