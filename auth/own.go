// SPDX-License-Identifier: Apache-2.0

package auth

import "os"

// Own reports whether the party is known to run as the user that this process runs as: the
// kernel vouches for it, or it is this process itself, see Within. Who is bounded to less than
// that user may do is not that user.
func (id Identity) Own() bool {
	if id.Bound != nil && !CoversAll(*id.Bound, []Right{{Verbs: []Verb{VerbAdminister}}}) {
		return false
	}
	return id.HasCredentials && Peer{UID: id.UID, SID: id.SID}.is(self())
}

// Within returns the mechanism for connections that were made inside this process, as the
// accepting side sees them: it is "none" on the wire, nothing is proved, and the identity is
// that of the user that the process runs as. It is for connections that nobody else can have
// the other end of.
func Within() Mechanism { return within{} }

type within struct{ none }

// Server implements Mechanism.
func (within) Server(b Binding) Exchange {
	me := self()
	p := Peer{UID: me.uid, GID: os.Getegid(), SID: me.sid, PID: os.Getpid(), HasCredentials: true, RemoteAddress: b.Peer.RemoteAddress}
	return &script{other: known(nameNone, p), steps: []step{silent}}
}
