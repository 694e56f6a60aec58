// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/plexus-ipc/plexus/status"
)

// maxSecret is the longest secret that is read from a file.
const maxSecret = 64 << 10

// ReadSecret reads a secret from a file: its content without a newline at the end. The
// warning, if not "", says that others can read it, too.
func ReadSecret(path string) (secret []byte, warning string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", unreadable("secret", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		secret, err = io.ReadAll(io.LimitReader(f, maxSecret+1))
	}
	if err != nil {
		return nil, "", unreadable("secret", path, err)
	}
	secret = bytes.TrimRight(secret, "\r\n")
	switch {
	case len(secret) == 0:
		return nil, "", status.Errorf(status.InvalidArgument, "the secret file %s is empty: write at least 16 random bytes into it", path)
	case len(secret) > maxSecret:
		return nil, "", status.Errorf(status.InvalidArgument, "the secret file %s is longer than %d bytes", path, maxSecret)
	case runtime.GOOS != "windows" && info.Mode()&0o077 != 0 && info.Mode().IsRegular():
		warning = fmt.Sprintf("the secret file %s can be read by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	return secret, warning, nil
}

func unreadable(what, path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return status.Errorf(status.InvalidArgument, "the %s file %s cannot be read: %w", what, path, err)
}

// TLSFiles names PEM files.
type TLSFiles struct {
	Cert, Key string // of this side, both or none
	CA        string // who vouches for the other side; "" are the system's
}

// certificate loads the own certificate, nil if there is none.
func (f TLSFiles) certificate() ([]tls.Certificate, error) {
	if f.Cert == "" && f.Key == "" {
		return nil, nil
	}
	if f.Cert == "" || f.Key == "" {
		return nil, status.Errorf(status.InvalidArgument, "a TLS certificate needs its key, and the reverse: give both files")
	}
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the TLS certificate %s with key %s cannot be used: %w", f.Cert, f.Key, err)
	}
	return []tls.Certificate{cert}, nil
}

func (f TLSFiles) pool() (*x509.CertPool, error) {
	if f.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, unreadable("TLS CA", f.CA, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, status.Errorf(status.InvalidArgument, "the TLS CA file %s holds no PEM certificate", f.CA)
	}
	return pool, nil
}

// Server returns the configuration of a listener, nil if no file is named. With a CA,
// clients must show a certificate that it vouches for.
func (f TLSFiles) Server() (*tls.Config, error) {
	if f == (TLSFiles{}) {
		return nil, nil
	}
	certs, err := f.certificate()
	if err != nil {
		return nil, err
	}
	pool, err := f.pool()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: certs, ClientCAs: pool, MinVersion: tls.VersionTLS13}
	if pool != nil {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// Client returns the configuration of a dialler, nil if no file is named.
func (f TLSFiles) Client() (*tls.Config, error) {
	if f == (TLSFiles{}) {
		return nil, nil
	}
	certs, err := f.certificate()
	if err != nil {
		return nil, err
	}
	pool, err := f.pool()
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: certs, RootCAs: pool, MinVersion: tls.VersionTLS13}, nil
}
