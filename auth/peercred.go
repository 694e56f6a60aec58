// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"cmp"
	"slices"

	"github.com/plexus-ipc/plexus/status"
)

// Allow says which users the other side may run as. The zero value means Same and Root;
// as soon as anything is set, only what is set is allowed.
//
// In a user namespace the kernel shows every user that has no number there as the
// overflow user, mostly 65534 "nobody": a program that runs as nobody should not use Same.
type Allow struct {
	// UIDs lists users. Negative numbers match nobody.
	UIDs []int
	// GIDs lists groups. Only the other side's effective group counts: its supplementary
	// ones are not known.
	GIDs []int
	// SIDs lists users on Windows.
	SIDs []string
	// Same allows the user that this process runs as.
	Same bool
	// Root allows user 0, on Windows the system itself.
	Root bool
	// CheckServer makes the client, too, hold the server against this list, so that
	// another user who took the server's address first is found out. Without it the
	// client accepts any server.
	CheckServer bool
}

// PeerCredentials returns the mechanism "peer": the server admits clients by the user and
// group that the kernel vouches for, never by process id. Nothing is sent. A transport
// without credentials is refused, so is a user who is not allowed. The identity is called
// "uid:N" or "sid:S".
func PeerCredentials(allow Allow) Mechanism {
	allow.UIDs, allow.GIDs, allow.SIDs = slices.Clone(allow.UIDs), slices.Clone(allow.GIDs), slices.Clone(allow.SIDs)
	if len(allow.UIDs)+len(allow.GIDs)+len(allow.SIDs) == 0 && !allow.Same && !allow.Root {
		allow.Same, allow.Root = true, true
	}
	return &peerMechanism{allow: allow, self: self()}
}

type peerMechanism struct {
	allow Allow
	self  account
}

// account is a user as the kernel names it: a number, or on Windows a SID and -1.
type account struct {
	uid int
	sid string
}

// systemSID is the account of Windows' own services.
const systemSID = "S-1-5-18"

func (m *peerMechanism) Name() string { return namePeer }

func (m *peerMechanism) Client(b Binding) Exchange {
	if !m.allow.CheckServer {
		return &script{other: known(namePeer, b.Peer), steps: []step{silent}}
	}
	return m.exchange(b, "server")
}

func (m *peerMechanism) Server(b Binding) Exchange { return m.exchange(b, "client") }

func (m *peerMechanism) exchange(b Binding, other string) Exchange {
	check := func(in []byte) ([]byte, error) {
		if _, err := silent(in); err != nil {
			return nil, err
		}
		return nil, m.check(b.Peer, other)
	}
	return &script{other: known(namePeer, b.Peer), steps: []step{check}}
}

func (m *peerMechanism) check(p Peer, other string) error {
	if !p.HasCredentials {
		return status.Errorf(status.Unauthenticated,
			"this transport does not tell which user the %s is (address %s); use a local one (unix, npipe) or a secret",
			other, cmp.Or(printable(p.RemoteAddress), "unknown"))
	}
	if !m.permits(p) {
		return status.Errorf(status.PermissionDenied, "the %s runs as %s, which is not allowed here",
			other, cmp.Or(p.user(), "an unknown user"))
	}
	return nil
}

func (m *peerMechanism) permits(p Peer) bool {
	a := m.allow
	if a.Same && p.is(m.self) || a.Root && (p.is(account{uid: 0}) || p.is(account{uid: -1, sid: systemSID})) {
		return true
	}
	return slices.ContainsFunc(a.UIDs, func(uid int) bool { return p.is(account{uid: uid}) }) ||
		slices.ContainsFunc(a.SIDs, func(sid string) bool { return p.is(account{uid: -1, sid: sid}) }) ||
		p.GID >= 0 && p.SID == "" && slices.Contains(a.GIDs, p.GID)
}

// is reports whether the peer runs as a. An unknown user (-1, "") is nobody's equal, and
// where there is a SID the number means nothing.
func (p Peer) is(a account) bool {
	if p.SID != "" || a.sid != "" {
		return p.SID == a.sid
	}
	return p.UID >= 0 && p.UID == a.uid
}
