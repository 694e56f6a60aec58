// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"slices"
	"strconv"
	"strings"

	"github.com/plexus-ipc/plexus/status"
)

// Chain is what one side accepts: any one of its mechanisms, so list only what suffices.
// The zero value accepts nothing.
type Chain struct {
	// Mechanisms are the alternatives, strongest first.
	Mechanisms []Mechanism
	// Floor is the name of what is required at least: a mechanism counts only if it
	// contains every part of it. "secret" admits "secret" and "peer+secret"; "" and "none"
	// admit all. A client needs it, too, if it lists weaker mechanisms: a server in
	// somebody else's hands offers as little as it likes.
	Floor string
}

// Names lists what is at hand, for a client's HELLO.
func (c Chain) Names() []string {
	var names []string
	for _, m := range c.above() {
		names = append(names, m.Name())
	}
	return names
}

// Offer lists what can work for a client like p, for a server's HELLO: without kernel
// credentials none that needs them, without a verified certificate with a name none that needs
// one. If nothing else is there they are offered nevertheless, so that the client learns the
// reason.
func (c Chain) Offer(p Peer) []string {
	names := c.Names()
	usable := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		have := parts(name)
		return !p.HasCredentials && slices.Contains(have, namePeer) || p.certified() == "" && slices.Contains(have, NameTLS)
	})
	if len(usable) == 0 {
		return names
	}
	return usable
}

// Select returns the strongest mechanism of a client that the server offers. The error
// says what the server wants and what the client has.
func (c Chain) Select(offered []string) (Mechanism, error) {
	for _, m := range c.above() {
		if slices.Contains(offered, m.Name()) {
			return m, nil
		}
	}
	return nil, status.Errorf(status.Unauthenticated, "%s", mismatch(offered, c.Names()))
}

// Accept returns the mechanism that a client chose in its AUTH, if this server takes it.
func (c Chain) Accept(name string) (Mechanism, error) {
	for _, m := range c.above() {
		if m.Name() == name {
			return m, nil
		}
	}
	return nil, status.Errorf(status.Unauthenticated, "server requires %s; the client chose %s", wants(c.Names()), phrase(name))
}

// above returns the mechanisms that reach the floor.
func (c Chain) above() []Mechanism {
	return slices.DeleteFunc(slices.Clone(c.Mechanisms), func(m Mechanism) bool { return !reaches(m.Name(), c.Floor) })
}

// reaches reports whether the mechanism called name has all parts of floor.
func reaches(name, floor string) bool {
	have := parts(name)
	return !slices.ContainsFunc(parts(floor), func(p string) bool { return !slices.Contains(have, p) })
}

// parts splits the name of a conjunction; "" and "none" have no parts.
func parts(name string) []string {
	if name == "" || name == nameNone {
		return nil
	}
	return strings.Split(name, "+")
}

// mismatch explains why no mechanism suits both sides. The offer comes from the peer.
func mismatch(offered, have []string) string {
	if len(have) == 0 {
		return "this client has no mechanism to authenticate with; server requires " + wants(offered)
	}
	if slices.Contains(offered, nameNone) {
		return "server does not authenticate, but this client insists on " + wants(have) + "; give the server the same"
	}
	s := "server requires " + wants(offered)
	if reachable(offered, NameToken) && !reachable(have, NameToken) && !slices.Contains(offered, nameSecret) {
		return s + "; give one with --token-file or DialOptions.Token (this client has: " + wants(have) + ")"
	}
	if reachable(offered, nameSecret) && !reachable(have, nameSecret) {
		s += "; give one with --secret or plexus.WithSecret"
	}
	return s + " (this client has: " + wants(have) + ")"
}

// reachable reports whether any of names contains part.
func reachable(names []string, part string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return reaches(name, part) })
}

// wants lists mechanisms as alternatives, for people: at most four of them.
func wants(names []string) string {
	if len(names) == 0 {
		return "a mechanism that is not configured"
	}
	var phrases []string
	for _, name := range names[:min(len(names), 4)] {
		phrases = append(phrases, phrase(name))
	}
	return strings.Join(phrases, " or ")
}

// phrase says in words what a mechanism demands. The name may come from the peer.
func phrase(name string) string {
	switch name {
	case nameNone:
		return "no authentication"
	case namePeer:
		return "kernel credentials"
	case nameSecret:
		return "a secret"
	case namePeer + "+" + nameSecret:
		return "kernel credentials and a secret"
	case NameTLS:
		return "a TLS certificate"
	case NameToken:
		return "a token"
	case nameSecret + "+" + NameToken:
		return "a secret and a token"
	case nameSecret + "+" + NameTLS:
		return "a secret and a TLS certificate"
	case NameTLS + "+" + NameToken:
		return "a TLS certificate and a token"
	}
	return strconv.QuoteToASCII(name[:min(len(name), 32)])
}
