// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport/noise"
)

// warnings says in one sentence each what is allowed but risky.
func (c *Config) warnings(bound []endpoint.Endpoint, secret bool) []string {
	var all []string
	for _, ep := range bound {
		for _, w := range []string{c.warnNetwork(ep, secret), c.warnMode(ep)} {
			if w != "" {
				all = append(all, w)
			}
		}
	}
	return all
}

// warnNetwork judges who can reach a port. Clients are known by the secret, or by the
// certificate where a CA is set, by a key with Noise; Allow shuts everybody out.
func (c *Config) warnNetwork(ep endpoint.Endpoint, secret bool) string {
	if ep.Network() != "tcp" {
		return ""
	}
	plain := ep.Scheme() == "tcp" || ep.Scheme() == "ws"
	tokens := len(c.TokenIssuerFiles) > 0
	known := secret || tokens || ep.Scheme() == noise.Scheme || !plain && c.TLS.CA != ""
	switch {
	case c.Allow != nil && !tokens:
		return fmt.Sprintf("%s admits nobody: it does not tell which user a client is, and only some users are allowed", ep)
	case ep.Local() && !known:
		return fmt.Sprintf("every user of this machine can use the hub at %s: give a secret, or use a unix address", ep)
	case ep.Local():
		return ""
	case plain && !known:
		return fmt.Sprintf("everybody who reaches %s can use the hub, and read and change what others send: use tls and a secret", ep)
	case plain:
		return fmt.Sprintf("what is sent over %s can be read and changed on the way: use tls", ep)
	case !known:
		return fmt.Sprintf("everybody who reaches %s can use the hub: give a secret, or a CA for clients' certificates", ep)
	}
	return ""
}

// warnMode judges who can reach a path.
func (c *Config) warnMode(ep endpoint.Endpoint) string {
	if ep.Network() != "unix" || ep.Path() == "" {
		return ""
	}
	mode, ok := ep.Mode()
	if !ok {
		mode = c.Mode
	}
	if mode&0o007 == 0 || c.Allow != nil || len(c.TokenIssuerFiles) > 0 {
		return ""
	}
	return fmt.Sprintf("the mode %04o of %s lets every user reach it, and none but yours and root is allowed to connect: narrow the mode, or allow users", mode, ep.Path())
}
