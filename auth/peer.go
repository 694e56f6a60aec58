// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strconv"
	"strings"
)

// Peer is what the transport knows of the other side without asking it.
type Peer struct {
	// UID and GID are the effective user and group as the kernel recorded them, -1 where
	// the platform has none. They mean something only with HasCredentials.
	UID, GID int
	// PID is the process id, 0 if unknown. It is for logs: it may be used again by another
	// process, so no decision rests on it.
	PID int
	// SID is the user's security identifier on Windows, else "".
	SID string
	// HasCredentials reports that the kernel vouches for the four above.
	HasCredentials bool
	// TLS is the state of the completed TLS handshake, nil without TLS.
	TLS *tls.ConnectionState
	// Proved is the name that the peer has proved to the transport in another way, such as
	// "noise:" and the fingerprint of its key, or "".
	Proved string
	// RemoteAddress is where the other end is, in the form of an endpoint, or "".
	RemoteAddress string
}

// Origin names the party that failed attempts are counted against: "uid:1000",
// "sid:S-1-…", "host:192.0.2.1", or for IPv6 the network that one subscriber has to
// himself, "host:2001:db8::/64"; "unknown" if there is nothing that the peer cannot choose.
func (p Peer) Origin() string {
	if user := p.user(); user != "" {
		return user
	}
	addr, ok := p.host()
	switch {
	case !ok:
		return "unknown"
	case addr.Is4():
		return "host:" + addr.String()
	}
	net, _ := addr.Prefix(64) // 64 bits fit any IPv6 address: no error
	return "host:" + net.String()
}

// host parses the IP address in RemoteAddress, which is "scheme://ip:port" or "ip:port".
func (p Peer) host() (netip.Addr, bool) {
	rest := p.RemoteAddress
	if _, after, ok := strings.Cut(rest, "://"); ok {
		rest = after
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if ap, err := netip.ParseAddrPort(rest); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(rest, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// user returns "uid:N" or "sid:S" as the kernel says, "" if it says nothing.
func (p Peer) user() string {
	switch {
	case !p.HasCredentials:
		return ""
	case p.SID != "":
		return "sid:" + printable(p.SID)
	case p.UID >= 0:
		return "uid:" + strconv.Itoa(p.UID)
	}
	return ""
}

// leaf is the certificate of the other side if it was verified, else nil.
func (p Peer) leaf() *x509.Certificate {
	if p.TLS == nil || len(p.TLS.VerifiedChains) == 0 || len(p.TLS.VerifiedChains[0]) == 0 {
		return nil // PeerCertificates alone may be anybody's invention
	}
	return p.TLS.VerifiedChains[0][0]
}

// certified returns what a verified certificate calls its holder, else "".
func (p Peer) certified() string {
	if c := p.leaf(); c != nil {
		return certificateName(c)
	}
	return ""
}
