// SPDX-License-Identifier: Apache-2.0

package token

import (
	"crypto/ed25519"
	"encoding/binary"
	"slices"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Bounds of a token.
const (
	MaxBlocks   = 8       // the issuer's and seven that narrow it
	MaxSize     = 3 << 10 // bytes of all blocks; the message of the proof fits into auth.MaxStep, with a secret's beside it
	MaxRights   = 32      // of a block
	MaxAudience = 16      // hubs that a block names
)

// Flags of a block.
const (
	flagNotBefore = 1 << iota
	flagNotAfter
	flagAudience
	flagRights
	flagSealed
	flagsKnown = 1<<iota - 1
)

// verbs are the bits of verbs, from the lowest; bitAll is "*". They are part of the format.
var verbs = [...]auth.Verb{
	auth.VerbJoin, auth.VerbProvide, auth.VerbCall, auth.VerbDeclare, auth.VerbPublish, auth.VerbSubscribe, auth.VerbOwn, auth.VerbAdminister,
}

const bitAll = 1 << 15

// block is a part of a chain.
type block struct {
	next ed25519.PublicKey

	// of the first block only
	issuer   ed25519.PublicKey
	issuedAt time.Time
	subject  string

	notBefore, notAfter time.Time // zero for none
	audience            []string  // nil for any
	rights              []auth.Right
	bounded             bool // rights are given
	sealed              bool

	body, signature []byte // as they travel
}

// append returns dst with the block's body.
func (b *block) append(dst []byte, first bool) []byte {
	dst = append(dst, b.flags())
	dst = append(dst, b.next...)
	if first {
		dst = append(dst, b.issuer...)
		dst = appendTime(dst, b.issuedAt)
		dst = appendString(dst, b.subject)
	}
	if !b.notBefore.IsZero() {
		dst = appendTime(dst, b.notBefore)
	}
	if !b.notAfter.IsZero() {
		dst = appendTime(dst, b.notAfter)
	}
	if b.audience != nil {
		dst = append(dst, byte(len(b.audience)))
		for _, a := range b.audience {
			dst = appendString(dst, a)
		}
	}
	if b.bounded {
		dst = append(dst, byte(len(b.rights)))
		for _, r := range b.rights {
			dst = binary.LittleEndian.AppendUint16(dst, bitsOf(r.Verbs))
			dst = appendString(appendString(dst, r.Channel), r.Name)
		}
	}
	return dst
}

func (b *block) flags() (f byte) {
	for bit, set := range map[byte]bool{
		flagNotBefore: !b.notBefore.IsZero(), flagNotAfter: !b.notAfter.IsZero(),
		flagAudience: b.audience != nil, flagRights: b.bounded, flagSealed: b.sealed,
	} {
		if set {
			f |= bit
		}
	}
	return f
}

func appendTime(dst []byte, t time.Time) []byte {
	return binary.LittleEndian.AppendUint64(dst, uint64(t.Unix()))
}

func appendString(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }

func bitsOf(vs []auth.Verb) (bits uint16) {
	for _, v := range vs {
		if v == auth.VerbAny {
			bits |= bitAll
		} else if i := slices.Index(verbs[:], v); i >= 0 {
			bits |= 1 << i
		}
	}
	return bits
}

func verbsOf(bits uint16) (vs []auth.Verb) {
	if bits&bitAll != 0 {
		vs = append(vs, auth.VerbAny)
	}
	for i, v := range verbs {
		if bits&(1<<i) != 0 {
			vs = append(vs, v)
		}
	}
	return vs
}

// reader takes a body apart. After a failure everything it returns is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.rest) < n {
		r.bad = true
		return make([]byte, n) // n is at most 255
	}
	p := r.rest[:n]
	r.rest = r.rest[n:]
	return p
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) string() string { return string(r.take(int(r.byte()))) }

func (r *reader) key() ed25519.PublicKey { return slices.Clone(r.take(ed25519.PublicKeySize)) }

// count reads how many of something follow.
func (r *reader) count(most int) int {
	n := int(r.byte())
	if n > most {
		r.bad = true
		return 0
	}
	return n
}

// Times from the year 1 to 9999 only: others do not print.
var (
	earliest = time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC).Unix()
	latest   = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

func (r *reader) time() time.Time {
	s := int64(binary.LittleEndian.Uint64(r.take(8)))
	if s < earliest || s > latest {
		r.bad = true
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}

// parseBody takes a body apart. It keeps nothing of it.
func parseBody(body []byte, first bool) (*block, error) {
	r := &reader{rest: body}
	flags := r.byte()
	b := &block{next: r.key(), sealed: flags&flagSealed != 0}
	if first {
		b.issuer, b.issuedAt, b.subject = r.key(), r.time(), r.string()
	}
	if flags&flagNotBefore != 0 {
		b.notBefore = r.time()
	}
	if flags&flagNotAfter != 0 {
		b.notAfter = r.time()
	}
	if flags&flagAudience != 0 {
		b.audience = []string{}
		for range r.count(MaxAudience) {
			b.audience = append(b.audience, r.string())
		}
	}
	if flags&flagRights != 0 {
		b.bounded, b.rights = true, []auth.Right{}
		for range r.count(MaxRights) {
			b.rights = append(b.rights, r.right())
		}
	}
	if r.bad || len(r.rest) > 0 || flags&^flagsKnown != 0 {
		return nil, status.Errorf(status.Unauthenticated, "the token is malformed")
	}
	return b, b.check(first)
}

func (r *reader) right() auth.Right {
	bits := binary.LittleEndian.Uint16(r.take(2))
	if bits&^(bitAll|1<<len(verbs)-1) != 0 {
		r.bad = true
	}
	return auth.Right{Verbs: verbsOf(bits), Channel: r.string(), Name: r.string()}
}

// check refuses what no block may say, whoever signed it.
func (b *block) check(first bool) error {
	if first {
		if err := subject.ValidateMember(b.subject); err != nil {
			return status.Errorf(status.InvalidArgument, "the subject of the token: %w", err)
		}
		if !b.bounded {
			return status.Errorf(status.InvalidArgument, "the token has no rights: say which, * for all that are not an administrator's")
		}
	}
	if len(b.rights) > MaxRights || len(b.audience) > MaxAudience {
		return status.Errorf(status.InvalidArgument, "a block of a token has at most %d rights and %d hubs", MaxRights, MaxAudience)
	}
	for _, hub := range b.audience {
		if err := subject.ValidateMember(hub); err != nil {
			return status.Errorf(status.InvalidArgument, "a hub that the token is for: %w", err)
		}
	}
	for i := range b.rights {
		if err := checkRight(&b.rights[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkRight(r *auth.Right) error {
	for _, v := range r.Verbs {
		if v != auth.VerbAny && !slices.Contains(verbs[:], v) {
			return status.Errorf(status.InvalidArgument, "a right of the token: there is no verb %.32q", v)
		}
	}
	for _, pattern := range []string{r.Channel, r.Name} {
		if pattern == "" {
			continue
		}
		if err := subject.ValidatePattern(pattern); err != nil {
			return status.Errorf(status.InvalidArgument, "a right of the token: %w", err)
		}
	}
	return nil
}
