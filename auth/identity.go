// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"cmp"
	"log/slog"
	"strconv"
)

// Identity is the result of an exchange: who the other side is.
type Identity struct {
	// Mechanism is the name of the mechanism that found it, "" if none has.
	Mechanism string
	// Name is "uid:1000", "sid:S-1-…", "cn:backup", "noise:…", "secret", "anonymous" and so on. It
	// holds no control characters and is fit for logs and access lists.
	Name string
	// UID and GID are those of the kernel, -1 if unknown, so that no unknown looks like root.
	UID, GID int
	// PID is the process id, 0 if unknown. For logs, never for decisions.
	PID int
	// SID is the user's security identifier on Windows, else "".
	SID string
	// HasCredentials reports that the kernel vouches for the four above.
	HasCredentials bool
	// RemoteAddress is where the other side is. For logs, never for decisions.
	RemoteAddress string
	// Bound limits what the identity may do at a hub to what one of these rights allows, as
	// a token does: a hub grants nothing beyond it, whatever its own lists say. nil is no bound.
	Bound *[]Right
	// Lease, if not nil, is how long the proof holds: the session ends with it.
	Lease Lease
}

// meet returns id bounded by what another part of the same proof bounds it with.
func (id Identity) meet(part Identity) Identity {
	switch {
	case id.Bound == nil:
		id.Bound = part.Bound
	case part.Bound != nil:
		both := Meet(*id.Bound, *part.Bound)
		id.Bound = &both
	}
	id.Lease = joinLeases(id.Lease, part.Lease)
	return id
}

// identify returns the identity called name with what p says of it.
func identify(mechanism, name string, p Peer) Identity {
	id := Identity{Mechanism: mechanism, Name: name, UID: -1, GID: -1, RemoteAddress: p.RemoteAddress}
	if p.HasCredentials {
		id.UID, id.GID, id.PID, id.SID, id.HasCredentials = p.UID, p.GID, p.PID, p.SID, true
	}
	return id
}

// known returns the identity that p alone gives.
func known(mechanism string, p Peer) Identity {
	return identify(mechanism, cmp.Or(p.user(), p.certified(), printable(p.Proved), "anonymous"), p)
}

// nobody is the identity of a side that has not been authenticated.
func nobody() Identity { return Identity{UID: -1, GID: -1} }

// String returns the name and how it was found: "uid:1000 (peer, pid 4711)".
func (id Identity) String() string {
	if id.Mechanism == "" {
		return "unauthenticated"
	}
	s := id.Name + " (" + id.Mechanism
	if id.PID != 0 {
		s += ", pid " + strconv.Itoa(id.PID)
	}
	if id.RemoteAddress != "" {
		s += ", " + printable(id.RemoteAddress)
	}
	return s + ")"
}

// LogValue returns the identity as a group of attributes, without those that are unknown.
func (id Identity) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("name", id.Name), slog.String("mechanism", id.Mechanism)}
	if id.HasCredentials && id.UID >= 0 {
		attrs = append(attrs, slog.Int("uid", id.UID), slog.Int("gid", id.GID))
	}
	if id.PID != 0 {
		attrs = append(attrs, slog.Int("pid", id.PID))
	}
	if id.SID != "" {
		attrs = append(attrs, slog.String("sid", printable(id.SID)))
	}
	if id.RemoteAddress != "" {
		attrs = append(attrs, slog.String("remote", printable(id.RemoteAddress)))
	}
	return slog.GroupValue(attrs...)
}

// printable returns s, or s quoted if it could mislead who reads it in a log. No two
// strings give the same.
func printable(s string) string {
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '"' || r == '\\' || r == '\uFFFD' {
			return strconv.QuoteToASCII(s)
		}
	}
	return s
}
