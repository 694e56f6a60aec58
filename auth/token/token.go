// SPDX-License-Identifier: Apache-2.0

package token

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
)

// Labels of what is signed, and of the text forms. They are part of the format.
const (
	blockLabel   = "plexus token block v1"
	proofLabel   = "plexus token proof v1"
	textToken    = "plexus_v1_"
	textIssuer   = "plexus_issuer_v1_"
	textVerifier = "plexus_issuer_public_v1_"
)

// ID names a token as of one of its blocks: 16 bytes in hex.
type ID string

// Terms are what a token says, when it is issued or narrowed. Times are cut to seconds.
type Terms struct {
	// NotBefore and NotAfter bound when it is good; zero is no bound of its own.
	NotBefore, NotAfter time.Time
	// Audience are the ids of the hubs that it is good for; nil is no bound of its own,
	// nothing in it none at all.
	Audience []string
	// Rights bound what its holder may do. An issuer must say; for who narrows it, nil
	// leaves them as they are.
	Rights []auth.Right
	// Sealed forbids to narrow it any further.
	Sealed bool
}

// Token is what a holder has: the blocks and the private key of the last one. It is
// immutable and never shows the key but in Text.
type Token struct {
	chain *chain
	key   ed25519.PrivateKey
}

// chain are blocks that fit together. Signatures have been checked but for the issuer's name:
// whether he is trusted is for a Verifier to say.
type chain struct {
	blocks []*block
	raw    []byte
	sums   [][32]byte // H(1) to H(n)
}

// Issuer makes tokens. It never shows its private key but in Text.
type Issuer struct{ key ed25519.PrivateKey }

// NewIssuer returns one with a new random key.
func NewIssuer() (*Issuer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, status.Errorf(status.Internal, "key of an issuer: %w", err)
	}
	return &Issuer{key}, nil
}

// ParseIssuer reads what Issuer.Text wrote.
func ParseIssuer(text string) (*Issuer, error) {
	seed, err := decode("private key of an issuer", textIssuer, text, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return &Issuer{ed25519.NewKeyFromSeed(seed)}, nil
}

// Text returns the private key as text.
func (i *Issuer) Text() string { return textIssuer + encoding.EncodeToString(i.key.Seed()) }

// Format writes a placeholder for every verb.
func (i *Issuer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "issuer(not shown)") }

// Public returns the key that hubs trust.
func (i *Issuer) Public() PublicKey { return PublicKey(i.key.Public().(ed25519.PublicKey)) }

// PublicKey is the public key of an issuer.
type PublicKey [ed25519.PublicKeySize]byte

// ParsePublicKey reads what PublicKey.String wrote.
func ParsePublicKey(text string) (k PublicKey, err error) {
	b, err := decode("public key of an issuer", textVerifier, text, len(k))
	copy(k[:], b)
	return k, err
}

// String returns the key as text.
func (k PublicKey) String() string { return textVerifier + encoding.EncodeToString(k[:]) }

// encoding is strict: one text for the same bytes.
var encoding = base64.RawURLEncoding.Strict()

// decode returns the n bytes of a text with a prefix.
func decode(what, prefix, text string, n int) ([]byte, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), prefix)
	if !ok || len(rest) != encoding.EncodedLen(n) {
		return nil, status.Errorf(status.InvalidArgument, "this is not the %s: it begins with %s and has %d characters", what, prefix, len(prefix)+encoding.EncodedLen(n))
	}
	b, err := encoding.DecodeString(rest)
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the %s is damaged: %w", what, err)
	}
	return b, nil
}

// Issue makes a token for a subject, whose grammar is that of a member's id. now is written
// into it as the time of issue.
func (i *Issuer) Issue(subject string, t Terms, now time.Time) (*Token, error) {
	b := t.block()
	b.issuer, b.subject, b.issuedAt = i.key.Public().(ed25519.PublicKey), subject, second(now)
	return (&chain{}).extend(b, i.key)
}

// Attenuate returns a token that may do less, for somebody else to hold. It needs nobody's
// leave, and t must not be. What it would widen is an error.
func (t *Token) Attenuate(terms Terms) (*Token, error) { return t.chain.extend(terms.block(), t.key) }

func (t *Terms) block() *block {
	return &block{
		notBefore: second(t.NotBefore), notAfter: second(t.NotAfter), audience: t.Audience,
		rights: t.Rights, bounded: t.Rights != nil, sealed: t.Sealed,
	}
}

// second cuts a time to what the format holds.
func second(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Unix(t.Unix(), 0).UTC()
}

// extend returns the token with one more block, signed by key.
func (c *chain) extend(b *block, key ed25519.PrivateKey) (*Token, error) {
	first := len(c.blocks) == 0
	if err := b.check(first); err != nil {
		return nil, err
	}
	if err := c.narrows(b); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%s", status.Convert(err).Message)
	}
	next, own, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, status.Errorf(status.Internal, "key of a token: %w", err)
	}
	b.next = next
	body := b.append(nil, first)
	signature := ed25519.Sign(key, c.message(body))
	raw := append([]byte{byte(len(c.blocks) + 1)}, bytes.Clone(c.raw)[min(1, len(c.raw)):]...)
	raw = binary.LittleEndian.AppendUint16(raw, uint16(len(body)))
	raw = append(append(raw, body...), signature...)
	if len(c.blocks) == MaxBlocks || len(raw) > MaxSize {
		return nil, status.Errorf(status.InvalidArgument, "the token would be too long: it has at most %d blocks and %d bytes", MaxBlocks, MaxSize)
	}
	whole, err := parseChain(raw)
	if err != nil {
		return nil, err
	}
	return &Token{whole, own}, nil
}

// message is what the next block's signature is made over.
func (c *chain) message(body []byte) []byte {
	var last [32]byte
	if n := len(c.sums); n > 0 {
		last = c.sums[n-1]
	}
	return slices.Concat([]byte(blockLabel), last[:], body)
}

// parseChain takes blocks apart and checks that each is signed with the key that the one
// before it names, the first with the key of the issuer that it names, and that none widens.
func parseChain(raw []byte) (*chain, error) {
	blocks, err := split(raw)
	if err != nil {
		return nil, err
	}
	c := &chain{}
	signer := blocks[0].issuer
	for i, b := range blocks {
		if !ed25519.Verify(signer, c.message(b.body), b.signature) {
			return nil, status.Errorf(status.Unauthenticated, "block %d of the token is not signed with the key that it needs", i+1)
		}
		if err := c.narrows(b); err != nil {
			return nil, err
		}
		c.add(b)
		signer = b.next
	}
	c.raw = bytes.Clone(raw)
	return c, nil
}

func (c *chain) add(b *block) {
	var last [32]byte
	if n := len(c.sums); n > 0 {
		last = c.sums[n-1]
	}
	c.blocks = append(c.blocks, b)
	c.sums = append(c.sums, sha256.Sum256(slices.Concat(last[:], b.body, b.signature)))
}

// narrows refuses a next block that allows more than the ones before it. Times and hubs need
// no look: those of all blocks count.
func (c *chain) narrows(b *block) error {
	if len(c.blocks) == 0 {
		return nil
	}
	if c.blocks[len(c.blocks)-1].sealed {
		return status.Errorf(status.Unauthenticated, "the token is sealed: it cannot be narrowed")
	}
	if b.bounded && !auth.CoversAll(c.rights(), b.rights) {
		return status.Errorf(status.Unauthenticated, "block %d of the token would allow what the one before it does not", len(c.blocks)+1)
	}
	return nil
}

// rights are those of the last block that has any: they are covered by all before.
func (c *chain) rights() []auth.Right {
	for _, b := range slices.Backward(c.blocks) {
		if b.bounded {
			return b.rights
		}
	}
	return nil
}

// split takes blocks apart without judging them. The first is there.
func split(raw []byte) (blocks []*block, err error) {
	malformed := status.Errorf(status.Unauthenticated, "the token is malformed")
	if len(raw) == 0 || raw[0] == 0 || raw[0] > MaxBlocks || len(raw) > MaxSize {
		return nil, malformed
	}
	n, rest := int(raw[0]), raw[1:]
	for i := range n {
		if len(rest) < 2 {
			return nil, malformed
		}
		size := int(binary.LittleEndian.Uint16(rest))
		if rest = rest[2:]; len(rest) < size+ed25519.SignatureSize {
			return nil, malformed
		}
		b, err := parseBody(rest[:size], i == 0)
		if err != nil {
			return nil, err
		}
		b.body = bytes.Clone(rest[:size])
		b.signature = bytes.Clone(rest[size : size+ed25519.SignatureSize])
		blocks = append(blocks, b)
		rest = rest[size+ed25519.SignatureSize:]
	}
	if len(rest) > 0 {
		return nil, malformed
	}
	return blocks, nil
}

// Parse reads what Text wrote; white space around it does not matter. It checks everything but
// whether the issuer is trusted, the time, the hub and whether it was revoked.
func Parse(text string) (*Token, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), textToken)
	if !ok || len(rest) > encoding.EncodedLen(MaxSize+ed25519.SeedSize) {
		return nil, status.Errorf(status.InvalidArgument, "this is no token: one begins with %s", textToken)
	}
	b, err := encoding.DecodeString(rest)
	if err != nil || len(b) <= ed25519.SeedSize {
		return nil, status.Errorf(status.InvalidArgument, "the token is damaged: a part of it is missing or changed")
	}
	raw, seed := b[:len(b)-ed25519.SeedSize], b[len(b)-ed25519.SeedSize:]
	c, err := parseChain(raw)
	if err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the token is damaged: %s", status.Convert(err).Message)
	}
	key := ed25519.NewKeyFromSeed(seed)
	if !bytes.Equal(key.Public().(ed25519.PublicKey), c.blocks[len(c.blocks)-1].next) {
		return nil, status.Errorf(status.InvalidArgument, "the token is damaged: its key is not that of its last block")
	}
	return &Token{c, key}, nil
}

// Text returns the token with its private key: who has it is who it names.
func (t *Token) Text() string {
	return textToken + encoding.EncodeToString(slices.Concat(t.chain.raw, t.key.Seed()))
}

// Format writes the subject and no key, for every verb.
func (t *Token) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "token(%s, not shown)", t.chain.blocks[0].subject)
}

// Claims returns what the token says.
func (t *Token) Claims() Claims { return t.chain.claims() }

// Claims are what a token says, of all its blocks together.
type Claims struct {
	Issuer   PublicKey
	Subject  string
	IssuedAt time.Time
	// NotBefore and NotAfter are the narrowest of all blocks, zero for none.
	NotBefore, NotAfter time.Time
	// Audience are the hubs that all blocks name; nil is any hub, an empty list none.
	Audience []string
	// Rights are those of the last block that has some.
	Rights []auth.Right
	// IDs name the token as of each block: who revokes one of them revokes all that was
	// narrowed from it.
	IDs []ID
	// Sealed says that it cannot be narrowed.
	Sealed bool
}

func (c *chain) claims() Claims {
	root := c.blocks[0]
	all := Claims{
		Issuer: PublicKey(root.issuer), Subject: root.subject, IssuedAt: root.issuedAt,
		Rights: slices.Clone(c.rights()), Sealed: c.blocks[len(c.blocks)-1].sealed,
	}
	for i, b := range c.blocks {
		if b.notBefore.After(all.NotBefore) {
			all.NotBefore = b.notBefore
		}
		if all.NotAfter.IsZero() || !b.notAfter.IsZero() && b.notAfter.Before(all.NotAfter) {
			all.NotAfter = b.notAfter
		}
		if b.audience != nil {
			all.Audience = common(all.Audience, b.audience)
		}
		all.IDs = append(all.IDs, ID(hex.EncodeToString(c.sums[i][:16])))
	}
	return all
}

// common returns what both lists have; a nil one has everything.
func common(a, b []string) []string {
	if a == nil {
		return slices.Clone(b)
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}

// proof signs a connection.
func (t *Token) proof(transcript [32]byte) []byte {
	return ed25519.Sign(t.key, proofMessage(transcript, t.chain.raw))
}

func proofMessage(transcript [32]byte, raw []byte) []byte {
	sum := sha256.Sum256(raw)
	return slices.Concat([]byte(proofLabel), transcript[:], sum[:])
}
