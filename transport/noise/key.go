// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/plexus-ipc/plexus/internal/keytext"
)

// KeySize is the length of every key of this package, in bytes.
const KeySize = 32

// Prefixes of the text forms, and of the name of a peer.
const (
	sharedPrefix  = "plexus-noise-shared"
	privatePrefix = "plexus-noise-private"
	publicPrefix  = "plexus-noise-public"
	namePrefix    = "noise:"
)

// Key is a shared key. The zero value is none. It never shows itself, whatever it is
// formatted with: see Text.
type Key struct{ b [KeySize]byte }

// GenerateKey returns a new shared key.
func GenerateKey() Key {
	var k Key
	_, _ = rand.Read(k.b[:]) // never fails
	return k
}

// ParseKey reads what Text wrote. The error does not show the text.
func ParseKey(text string) (Key, error) {
	b, err := keytext.Parse(sharedPrefix, text, KeySize)
	if err != nil {
		return Key{}, fmt.Errorf("shared key: %w", err)
	}
	k := Key{[KeySize]byte(b)}
	if k.IsZero() {
		return Key{}, errZeroKey
	}
	return k, nil
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k == Key{} }

// Text returns the key as one word, for a file that only its owner can read.
func (k Key) Text() string { return keytext.Format(sharedPrefix, k.b[:]) }

// Format writes a placeholder for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "noise key (not shown)") }

// PrivateKey is the own half of a key pair. The zero value is none. It never shows itself.
type PrivateKey struct {
	b      [KeySize]byte
	public PublicKey
}

// GeneratePrivateKey returns a new key pair.
func GeneratePrivateKey() PrivateKey {
	var b [KeySize]byte
	_, _ = rand.Read(b[:]) // never fails
	k, err := newPrivateKey(b[:])
	if err != nil {
		panic(err) // X25519 takes any 32 bytes
	}
	return k
}

func newPrivateKey(b []byte) (PrivateKey, error) {
	k, err := ecdh.X25519().NewPrivateKey(b)
	if err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{[KeySize]byte(b), PublicKey{[KeySize]byte(k.PublicKey().Bytes())}}, nil
}

// ParsePrivateKey reads what Text wrote. The error does not show the text.
func ParsePrivateKey(text string) (PrivateKey, error) {
	b, err := keytext.Parse(privatePrefix, text, KeySize)
	if err == nil {
		var k PrivateKey
		if k, err = newPrivateKey(b); err == nil {
			return k, nil
		}
	}
	return PrivateKey{}, fmt.Errorf("private key: %w", err)
}

// IsZero reports whether there is no key.
func (k PrivateKey) IsZero() bool { return k == PrivateKey{} }

// Public returns the half that others may know.
func (k PrivateKey) Public() PublicKey { return k.public }

// Text returns the key as one word, for a file that only its owner can read.
func (k PrivateKey) Text() string { return keytext.Format(privatePrefix, k.b[:]) }

// Format writes a placeholder for every verb.
func (k PrivateKey) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "private noise key of "+k.public.Name())
}

// PublicKey is the half of a key pair that others may know. The zero value is none. It is
// comparable, and may be the key of a map.
type PublicKey struct{ b [KeySize]byte }

// ParsePublicKey reads what String wrote.
func ParsePublicKey(text string) (PublicKey, error) {
	b, err := keytext.Parse(publicPrefix, text, KeySize)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key: %w", err)
	}
	k := PublicKey{[KeySize]byte(b)}
	if k.IsZero() {
		return PublicKey{}, errZeroKey
	}
	return k, nil
}

// IsZero reports whether there is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// String returns the key as one word.
func (k PublicKey) String() string { return keytext.Format(publicPrefix, k.b[:]) }

// Name returns what a peer with this key is called: "noise:" and 32 hexadecimal digits, the first 16
// bytes of the key's SHA-256.
func (k PublicKey) Name() string {
	sum := sha256.Sum256(k.b[:])
	return namePrefix + hex.EncodeToString(sum[:16])
}
