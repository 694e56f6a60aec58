// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/plexus-ipc/plexus/internal/keytext"
)

// Suite says how keys of receivers are made.
type Suite uint8

// The suites. Ed25519 signs in both.
const (
	// X25519 is for most: 32 bytes more for each receiver.
	X25519 Suite = 1
	// Hybrid is ML-KEM-768 with X25519: what is recorded today stays closed to a quantum
	// computer as well. 1,120 bytes more for each receiver.
	Hybrid Suite = 2
)

// Sizes in bytes.
const (
	seedSize = 32
	idSize   = 16
	signSize = ed25519.PublicKeySize
)

// Prefixes of the text forms, of X25519 and Hybrid.
const (
	secretPrefix = "plexus-seal-secret"
	publicPrefix = "plexus-seal-public"
	hybridMark   = "-hybrid"
)

func (s Suite) kem() hpke.KEM {
	if s == Hybrid {
		return hpke.MLKEM768X25519()
	}
	return hpke.DHKEM(ecdh.X25519())
}

// boxSize is the length of a public key that others seal to, encSize that of what HPKE puts
// before a message.
func (s Suite) boxSize() int {
	if s == Hybrid {
		return 1216
	}
	return 32
}

func (s Suite) encSize() int {
	if s == Hybrid {
		return 1120
	}
	return 32
}

func (s Suite) valid() bool { return s == X25519 || s == Hybrid }

// prefix adds the mark of the suite.
func (s Suite) prefix(p string) string {
	if s == Hybrid {
		return p + hybridMark
	}
	return p
}

// Identity is who somebody is to the others: one secret, from which the key to sign and
// the key to open are derived. It never shows itself, whatever it is formatted with: see Text.
// It is immutable.
type Identity struct {
	suite  Suite
	seed   [seedSize]byte
	sign   ed25519.PrivateKey
	box    hpke.PrivateKey
	public Public
}

// Generate returns a new Identity.
func Generate(s Suite) (*Identity, error) {
	if !s.valid() {
		return nil, fmt.Errorf("seal: suite %d is unknown", s)
	}
	var seed [seedSize]byte
	_, _ = rand.Read(seed[:]) // never fails
	return derive(s, seed)
}

// derive makes the keys of a seed.
func derive(s Suite, seed [seedSize]byte) (*Identity, error) {
	id := &Identity{suite: s, seed: seed}
	signSeed, err := hkdf.Key(sha256.New, seed[:], nil, "plexus seal v1 sign", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	ikm, err := hkdf.Key(sha256.New, seed[:], nil, "plexus seal v1 box", seedSize)
	if err != nil {
		return nil, err
	}
	id.sign = ed25519.NewKeyFromSeed(signSeed)
	if id.box, err = s.kem().DeriveKeyPair(ikm); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	raw := string(id.sign.Public().(ed25519.PublicKey)) + string(id.box.PublicKey().Bytes())
	id.public = Public{s, raw}
	return id, nil
}

// ParseIdentity reads what Text wrote. The error does not show the text.
func ParseIdentity(text string) (*Identity, error) {
	s := suiteOf(text, secretPrefix)
	b, err := keytext.Parse(s.prefix(secretPrefix), text, seedSize)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return derive(s, [seedSize]byte(b))
}

// suiteOf tells the suite of a text by its prefix.
func suiteOf(text, prefix string) Suite {
	if strings.HasPrefix(strings.TrimSpace(text), prefix+hybridMark+"-") {
		return Hybrid
	}
	return X25519
}

// Public returns what others may know.
func (id *Identity) Public() Public { return id.public }

// Text returns the secret as one word, for a file that only its owner can read.
func (id *Identity) Text() string {
	return keytext.Format(id.suite.prefix(secretPrefix), id.seed[:])
}

// Format writes a placeholder for every verb.
func (id *Identity) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "seal identity (not shown)")
}

// Public is what others know of an Identity: whom to seal to and whose signature to
// expect. It is comparable. The zero Public is nobody.
type Public struct {
	suite Suite
	raw   string // key to verify with, key to seal to
}

// ParsePublic reads what String wrote.
func ParsePublic(text string) (Public, error) {
	s := suiteOf(text, publicPrefix)
	b, err := keytext.Parse(s.prefix(publicPrefix), text, signSize+s.boxSize())
	if err != nil {
		return Public{}, fmt.Errorf("seal: %w", err)
	}
	p := Public{s, string(b)}
	if _, err := p.boxKey(); err != nil {
		return Public{}, err
	}
	return p, nil
}

// String returns it as one word: 110 characters, of Hybrid 1,696.
func (p Public) String() string {
	return keytext.Format(p.suite.prefix(publicPrefix), []byte(p.raw))
}

func (p Public) verifyKey() ed25519.PublicKey { return ed25519.PublicKey(p.raw[:signSize]) }

func (p Public) boxKey() (hpke.PublicKey, error) {
	k, err := p.suite.kem().NewPublicKey([]byte(p.raw[signSize:]))
	if err != nil {
		return nil, fmt.Errorf("seal: the public key is none: %w", err)
	}
	return k, nil
}

// keyID is what a message calls a key: the first 16 bytes of the SHA-256 of its bytes.
type keyID [idSize]byte

func (p Public) id() keyID {
	sum := sha256.Sum256([]byte(p.raw))
	return keyID(sum[:idSize])
}
