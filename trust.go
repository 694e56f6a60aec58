// SPDX-License-Identifier: Apache-2.0

package plexus

import (
	"log/slog"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/place"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// protect sets the mechanisms of a listener: the user where the kernel knows it, or a token
// if there is who judges them, and the secret if there is one.
func protect(c *session.Config, o *ListenOptions) error {
	if len(c.Auth.Mechanisms) > 0 || c.AuthFor != nil {
		return nil
	}
	secret, err := sharedSecret(o, c.Log)
	if err != nil {
		return err
	}
	var allow auth.Allow
	if o.Allow != nil {
		allow = *o.Allow
	}
	peer := auth.All(auth.PeerCredentials(allow), secret)
	local, remote := auth.Chain{Mechanisms: []auth.Mechanism{peer}}, auth.Chain{Mechanisms: []auth.Mechanism{secret}}
	if o.Allow != nil {
		remote = local // it will say what is missing
	}
	if o.Tokens != nil {
		token := auth.All(secret, o.Tokens)
		local.Mechanisms = []auth.Mechanism{token, peer}
		remote.Mechanisms = []auth.Mechanism{token}
	}
	certified := remote
	certified.Mechanisms = nil
	for _, m := range remote.Mechanisms {
		certified.Mechanisms = append(certified.Mechanisms, auth.All(auth.Certificates(), m), m)
	}
	c.AuthFor = func(p auth.Peer) auth.Chain {
		switch {
		case p.HasCredentials:
			return local
		case p.TLS != nil:
			return certified // not offered to who has shown no certificate
		}
		return remote
	}
	if c.Throttle == nil {
		c.Throttle = &auth.Throttle{}
	}
	return nil
}

// sharedSecret returns the mechanism of the secret, that of nothing if there is none.
func sharedSecret(o *ListenOptions, log *slog.Logger) (auth.Mechanism, error) {
	switch {
	case o.SharedSecret != nil && o.Secret != nil:
		return nil, status.Errorf(status.InvalidArgument, "Secret and SharedSecret are given: one of them, please")
	case o.SharedSecret != nil:
		return o.SharedSecret, nil
	case o.Secret == nil:
		return auth.None(), nil
	}
	return newSecret(o.Secret, log)
}

// present sets the mechanisms of a dialler: with a secret or a token it insists on them.
func present(c *session.Config, o *DialOptions) error {
	if len(c.Auth.Mechanisms) > 0 {
		return nil
	}
	var proofs []auth.Mechanism
	if o.Secret != nil {
		m, err := newSecret(o.Secret, c.Log)
		if err != nil {
			return err
		}
		proofs = append(proofs, m)
	}
	if o.Token != nil {
		proofs = append(proofs, o.Token)
	}
	all := auth.All(proofs...)
	if len(proofs) > 0 {
		c.Auth.Floor = all.Name()
	}
	if conf := o.tlsConfig(); conf != nil && !conf.InsecureSkipVerify {
		c.Auth.Mechanisms = append(c.Auth.Mechanisms, auth.All(auth.Certificates(), all))
	}
	if o.Token == nil {
		c.Auth.Mechanisms = append(c.Auth.Mechanisms, auth.All(auth.PeerCredentials(auth.Allow{}), all))
	}
	c.Auth.Mechanisms = append(c.Auth.Mechanisms, all)
	return nil
}

func newSecret(secret []byte, log *slog.Logger) (auth.Mechanism, error) {
	m, err := auth.Secret(secret, nil)
	if err != nil {
		return nil, err
	}
	if w := m.Warning(); w != "" && log != nil {
		log.Warn(w)
	}
	return m, nil
}

// mayServe returns who may be the server: those that are named; or else, unless it has to
// prove a secret or a certificate, the own user and root, and any user where no other could
// have put the socket.
func mayServe(ep endpoint.Endpoint, o *DialOptions, c auth.Chain) func(auth.Peer) error {
	if o.Server != nil {
		allow := *o.Server
		allow.CheckServer = true
		return func(p auth.Peer) error { return isAllowed(allow, p) }
	}
	if ep.Path() == "" && !ep.Abstract() || proves(c) {
		return nil
	}
	return func(p auth.Peer) error {
		if !p.HasCredentials || isAllowed(auth.Allow{CheckServer: true}, p) == nil {
			return nil
		}
		why := "every user can take an abstract name"
		if !ep.Abstract() {
			var err error
			if why, err = place.Shared(ep.Path(), os.Getuid(), p.UID); err != nil {
				why = "who could have put it there cannot be told: " + err.Error()
			}
		}
		if why == "" {
			return nil
		}
		return status.Errorf(status.PermissionDenied,
			"the server at %s runs as %s, which is neither this user nor root, and %s: if it is the right one, name its user (--server-user, DialOptions.Server)",
			ep, userName(p.UID), why)
	}
}

// proves reports whether the server proves something by all that a chain accepts.
func proves(c auth.Chain) bool {
	names := c.Names()
	return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool {
		parts := strings.Split(name, "+")
		return !slices.Contains(parts, "secret") && !slices.Contains(parts, auth.NameTLS)
	})
}

// isAllowed judges a server by its user.
func isAllowed(allow auth.Allow, p auth.Peer) error {
	_, _, err := auth.PeerCredentials(allow).Client(auth.Binding{Peer: p}).Step(nil)
	return err
}

// userName is what people call a user.
func userName(uid int) string {
	number := strconv.Itoa(uid)
	if u, err := user.LookupId(number); err == nil {
		return "user " + strconv.Quote(u.Username) + " (uid " + number + ")"
	}
	return "uid " + number
}
