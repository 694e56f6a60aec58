// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/x509"

	"github.com/plexus-ipc/plexus/status"
)

// Certificates returns the mechanism "tls": the other side has shown a certificate in the
// TLS handshake below, and it was verified there against the CAs that this side trusts.
// Nothing is sent: what is new over "none" is that a Chain's Floor can demand it. The client,
// too, insists on a server whose certificate was verified. Without TLS, without a certificate
// and with one that nobody has verified (as after InsecureSkipVerify) it refuses.
//
// The identity is called after the first of these that the certificate has:
//
//	spiffe://domain/path    the URI among its alternative names, if it has just one URI and
//	                        that is a SPIFFE id
//	dns:NAME                the first DNS name among them
//	cn:NAME                 the common name of its subject
//
// A certificate with none of these is refused. What is verified is the chain and that it is
// in force now; a session that stands outlives its certificate, and lists of revoked
// certificates are not looked at: issue short-lived ones.
func Certificates() Mechanism { return certificates{} }

type certificates struct{}

func (certificates) Name() string              { return NameTLS }
func (certificates) Client(b Binding) Exchange { return certifiedExchange(b, "server") }
func (certificates) Server(b Binding) Exchange { return certifiedExchange(b, "client") }

func certifiedExchange(b Binding, other string) Exchange {
	name := b.Peer.certified()
	check := func(in []byte) ([]byte, error) {
		if _, err := silent(in); err != nil {
			return nil, err
		}
		switch {
		case b.Peer.TLS == nil:
			return nil, status.Errorf(status.Unauthenticated, "a TLS certificate of the %s is required, and this connection does not use TLS", other)
		case b.Peer.leaf() == nil:
			return nil, status.Errorf(status.Unauthenticated, "the %s has shown no TLS certificate that could be verified", other)
		case name == "":
			return nil, status.Errorf(status.Unauthenticated, "the TLS certificate of the %s names nobody: it has neither a SPIFFE id nor a DNS name nor a common name", other)
		}
		return nil, nil
	}
	return &script{other: identify(NameTLS, name, b.Peer), steps: []step{check}}
}

// certificateName is the rule of Certificates; "" if the certificate names nobody.
func certificateName(c *x509.Certificate) string {
	switch {
	case len(c.URIs) == 1 && c.URIs[0].Scheme == "spiffe" && c.URIs[0].Host != "":
		return printable(c.URIs[0].String())
	case len(c.DNSNames) > 0:
		return "dns:" + printable(c.DNSNames[0])
	case c.Subject.CommonName != "":
		return "cn:" + printable(c.Subject.CommonName)
	}
	return ""
}
