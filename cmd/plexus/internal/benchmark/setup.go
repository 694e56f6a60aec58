// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Schemes lists the transports that can be asked for, in the order of the report. What the
// facade cannot listen to here is left out, with the reason, when it is tried.
func Schemes() []string {
	return []string{"shm", "npipe", "unix", "unixpacket", "unixgram", "tcp", "tls"}
}

// addressOf returns where a transport listens, with a private folder for what is a file.
func addressOf(scheme, folder string) (string, error) {
	switch scheme {
	case "tcp", "tls":
		return scheme + "://127.0.0.1:0", nil
	case "npipe":
		return "npipe://./pipe/" + filepath.Base(folder), nil
	}
	ep, err := endpoint.FromRecord(endpoint.Record{Transport: scheme, Path: filepath.Join(folder, "s")})
	return ep.String(), err
}

// task is what a child is told first.
type task struct {
	Address string // to listen at, or to dial
	Folder  string // what the listening process removes at its end
	Hub     bool   // a hub is between
	Secret  []byte
	Cert    []byte // PEM, for both sides
	Key     []byte // PEM, for the listening side
	Buffer  int    // of sockets, 0 for the system's
}

// transport returns the socket buffers.
func (t *task) transport() transport.Options {
	return transport.Options{SendBuffer: t.Buffer, RecvBuffer: t.Buffer}
}

// dialOptions are those of a client with an id.
func (t *task) dialOptions(id string) (*plexus.DialOptions, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(t.Cert) {
		return nil, errors.New("the certificate of the run does not parse")
	}
	return &plexus.DialOptions{ID: id, Secret: t.Secret, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, Transport: t.transport()}, nil
}

// listenOptions are those of a server.
func (t *task) listenOptions(id string) (*plexus.ListenOptions, error) {
	cert, err := tls.X509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	return &plexus.ListenOptions{
		ID: id, Secret: t.Secret, TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}, Transport: t.transport(),
	}, nil
}

// newTask returns a task with a secret and a certificate made for this run: others who
// can reach the loopback interface stay out.
func newTask() (task, error) {
	t := task{Secret: make([]byte, 32)}
	_, _ = rand.Read(t.Secret) // never fails
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return t, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return t, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return t, err
	}
	t.Cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	t.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return t, nil
}
