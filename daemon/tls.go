// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// tlsLook is how often the files are looked at, at most, to see whether they have changed.
const tlsLook = time.Second

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

// server loads the configuration of a listener as it is now.
func (f TLSFiles) server() (*tls.Config, error) {
	certs, err := f.certificate()
	if err != nil {
		return nil, err
	}
	pool, err := f.pool()
	if err != nil {
		return nil, err
	}
	// Without tickets each session is judged by the certificates of its time.
	c := &tls.Config{Certificates: certs, ClientCAs: pool, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
	if pool != nil {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// Server returns the configuration of a listener, nil if no file is named. With a CA,
// clients must show a certificate that it vouches for. Files that change are read again, for
// the connections that come then; what cannot be read leaves all as it was.
func (f TLSFiles) Server() (*tls.Config, error) {
	if f == (TLSFiles{}) {
		return nil, nil
	}
	l := &liveTLS{files: f, stamps: f.stamps(), looked: time.Now()}
	var err error
	if l.conf, err = f.server(); err != nil {
		return nil, err
	}
	c := l.conf.Clone()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.current(time.Now()), nil }
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

// stamp is by what a file is seen to have changed.
type stamp struct {
	info os.FileInfo // nil if it cannot be had
}

func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	return s.info.ModTime().Equal(o.info.ModTime()) && s.info.Size() == o.info.Size() && os.SameFile(s.info, o.info)
}

func (f TLSFiles) stamps() (all [3]stamp) {
	for i, name := range []string{f.Cert, f.Key, f.CA} {
		if info, err := os.Stat(name); err == nil {
			all[i].info = info
		}
	}
	return all
}

// liveTLS is a configuration that follows its files.
type liveTLS struct {
	files TLSFiles

	mu     sync.Mutex
	conf   *tls.Config
	stamps [3]stamp
	looked time.Time
}

// current returns what the files say. A certificate whose key has not come yet is tried again
// when the next client comes.
func (l *liveTLS) current(now time.Time) *tls.Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.looked); since >= 0 && since < tlsLook {
		return l.conf
	}
	l.looked = now
	stamps := l.files.stamps()
	if stamps[0].same(l.stamps[0]) && stamps[1].same(l.stamps[1]) && stamps[2].same(l.stamps[2]) {
		return l.conf
	}
	if conf, err := l.files.server(); err == nil {
		l.conf, l.stamps = conf, stamps
	}
	return l.conf
}
