// SPDX-License-Identifier: Apache-2.0

package token

import (
	"cmp"
	"crypto/ed25519"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
)

// DefaultSkew is how far the clocks of issuer and hub may be apart.
const DefaultSkew = 30 * time.Second

// Trust is what a Verifier judges tokens by.
type Trust struct {
	// Issuers are whose tokens are taken. Several, so that a new one is introduced before
	// the old one goes.
	Issuers []PublicKey
	// Revoked are the tokens that are taken no more.
	Revoked Revoked
	// Hub is the own id: a token that names hubs must name it.
	Hub string
	// Skew is how much before its time and after it a token is still taken; 0 is DefaultSkew,
	// less is none.
	Skew time.Duration
	// Now is the clock, nil for time.Now.
	Now func() time.Time
}

// Verifier is the mechanism "token" of the server. The identity is called "token:SUBJECT", is
// bounded by the token's rights, and ends with the token: when it expires, and when Trust
// changes so that it would not be taken any more. It is safe for concurrent use.
type Verifier struct {
	trust  atomic.Pointer[judge]
	leases auth.Leases
}

// judge is a Trust, prepared.
type judge struct {
	trust   Trust
	issuers map[PublicKey]struct{}
	revoked map[ID]struct{}
}

// NewVerifier returns one that judges by t.
func NewVerifier(t Trust) *Verifier {
	v := &Verifier{}
	v.SetTrust(t)
	return v
}

// SetTrust has tokens judged by t from now on. Sessions of those that t does not take end; it
// returns how many.
func (v *Verifier) SetTrust(t Trust) (ended int) {
	t.Skew = max(cmp.Or(t.Skew, DefaultSkew), 0)
	if t.Now == nil {
		t.Now = time.Now
	}
	j := &judge{trust: t, issuers: make(map[PublicKey]struct{}), revoked: make(map[ID]struct{})}
	for _, k := range t.Issuers {
		j.issuers[k] = struct{}{}
	}
	for _, k := range t.Revoked.Issuers {
		delete(j.issuers, k)
	}
	for _, id := range t.Revoked.IDs {
		j.revoked[id] = struct{}{}
	}
	v.trust.Store(j)
	return v.leases.Recheck()
}

// Verify judges a token as if its holder had just connected.
func (v *Verifier) Verify(t *Token) (Claims, error) {
	c := t.Claims()
	return c, v.trust.Load().judge(&c)
}

// judge returns why a token whose signatures are right is not taken, or nil.
func (j *judge) judge(c *Claims) error {
	if err := j.stands(c); err != nil {
		return err
	}
	now := j.trust.Now()
	switch {
	case !c.NotBefore.IsZero() && now.Before(c.NotBefore.Add(-j.trust.Skew)):
		return status.Errorf(status.Unauthenticated, "the token is not good before %s", c.NotBefore.Format(time.RFC3339))
	case !c.NotAfter.IsZero() && !now.Before(c.NotAfter.Add(j.trust.Skew)):
		return status.Errorf(status.Unauthenticated, "the token has expired at %s", c.NotAfter.Format(time.RFC3339))
	case c.Audience != nil && !slices.Contains(c.Audience, j.trust.Hub):
		return status.Errorf(status.Unauthenticated, "the token is not for this hub")
	}
	return nil
}

// stands returns why a token was withdrawn, or nil.
func (j *judge) stands(c *Claims) error {
	if _, ok := j.issuers[c.Issuer]; !ok {
		return status.Errorf(status.Unauthenticated, "the issuer of the token is not trusted here")
	}
	gone := slices.ContainsFunc(c.IDs, func(id ID) bool { _, gone := j.revoked[id]; return gone })
	if gone || c.IssuedAt.Before(j.trust.Revoked.Before) {
		return status.Errorf(status.Unauthenticated, "the token was revoked")
	}
	return nil
}

// Name returns "token".
func (v *Verifier) Name() string { return auth.NameToken }

// Server returns the exchange that takes a token.
func (v *Verifier) Server(b auth.Binding) auth.Exchange {
	x := &exchange{}
	x.step = func(in []byte) ([]byte, error) {
		id, err := v.admit(b, in)
		x.other = id
		return nil, err
	}
	return x
}

// Client returns an exchange that fails: a Verifier has no token.
func (v *Verifier) Client(auth.Binding) auth.Exchange {
	return refusal("this side checks tokens and has none of its own")
}

// admit judges a client's only message. The cheap looks come first, and why a good token is
// not taken is told only to who has proved that it is his.
func (v *Verifier) admit(b auth.Binding, in []byte) (auth.Identity, error) {
	raw, proof, err := cut(in)
	if err != nil {
		return auth.Identity{}, err
	}
	if b.Transcript == [32]byte{} {
		return auth.Identity{}, status.Errorf(status.Internal, "no transcript to bind the proof to")
	}
	j := v.trust.Load()
	blocks, err := split(raw)
	if err != nil {
		return auth.Identity{}, err
	}
	if _, ok := j.issuers[PublicKey(blocks[0].issuer)]; !ok {
		return auth.Identity{}, status.Errorf(status.Unauthenticated, "the issuer of the token is not trusted here")
	}
	c, err := parseChain(raw)
	if err != nil {
		return auth.Identity{}, err
	}
	if !ed25519.Verify(c.blocks[len(c.blocks)-1].next, proofMessage(b.Transcript, raw), proof) {
		return auth.Identity{}, status.Errorf(status.Unauthenticated, "the proof that the token is the client's is wrong")
	}
	claims := c.claims()
	if err := j.judge(&claims); err != nil {
		return auth.Identity{}, err
	}
	return v.identity(b.Peer, &claims), nil
}

func (v *Verifier) identity(p auth.Peer, c *Claims) auth.Identity {
	id := auth.Identity{Mechanism: auth.NameToken, Name: "token:" + c.Subject, UID: -1, GID: -1, RemoteAddress: p.RemoteAddress}
	if p.HasCredentials {
		id.UID, id.GID, id.PID, id.SID, id.HasCredentials = p.UID, p.GID, p.PID, p.SID, true
	}
	id.Bound = &c.Rights
	var until time.Time
	if !c.NotAfter.IsZero() {
		until = c.NotAfter.Add(v.trust.Load().trust.Skew)
	}
	id.Lease = v.leases.Lease(until, func() error { return v.trust.Load().stands(c) })
	return id
}

// cut takes a client's message apart.
func cut(in []byte) (raw, proof []byte, err error) {
	if len(in) < 2 || len(in)-2-ed25519.SignatureSize != int(binary.LittleEndian.Uint16(in)) {
		return nil, nil, status.Errorf(status.Protocol, "the proof of a token is malformed")
	}
	n := len(in) - ed25519.SignatureSize
	return in[2:n], in[n:], nil
}
