// SPDX-License-Identifier: Apache-2.0

// Package scram proves the knowledge of a password to somebody who holds a verifier of it,
// and has him prove in turn that he holds it: the computation of SCRAM-SHA-256 (RFC 5802,
// RFC 7677) over a transcript of Plexus's own. Neither the password nor what would do instead
// of it travels, also not when the verifier does: who sees one can try passwords, each at
// the cost of Iterations, and pose as the holder, but not as one who knows the password.
//
// It is pure: no goroutine, no clock, no state. Whoever makes a Verifier needs random salt.
package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds of what is taken from another side, and what New makes.
const (
	MinIterations = 10_000
	MaxIterations = 2_000_000
	Iterations    = 100_000
	MinSalt       = 16 // bytes
	MaxSalt       = 64
	MinNonce      = 16
	MaxNonce      = 64
	MaxPassword   = 1024
)

const keySize = sha256.Size

// label is in front of what is proved. It is part of the protocol.
const label = "plexus channel password v1"

// Verifier is what is kept of a password. Its bytes are not written once it is made.
type Verifier struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte // SHA-256 of the key that proves the password
	ServerKey  []byte // proves the verifier
}

// Keys are what a password and a salt give. They stand for the password: keep them secret.
type Keys struct{ client, server []byte }

// Exchange is what a proof is bound to. Its bytes are only read.
type Exchange struct {
	Transcript  [32]byte // of the connection
	Channel     string
	ClientNonce []byte
	HubNonce    []byte
	Salt        []byte
	Iterations  int
}

// CheckParameters returns why salt and iterations that came from elsewhere are not to be
// used: too few iterations would make the password easy to guess for who asked for them,
// too many keep this side busy.
func CheckParameters(salt []byte, iterations int) error {
	switch {
	case len(salt) < MinSalt || len(salt) > MaxSalt:
		return fmt.Errorf("a salt of a password has %d to %d bytes, not %d", MinSalt, MaxSalt, len(salt))
	case iterations < MinIterations || iterations > MaxIterations:
		return fmt.Errorf("a password is hashed %d to %d times, not %d", MinIterations, MaxIterations, iterations)
	}
	return nil
}

// CheckNonce returns why a nonce is none.
func CheckNonce(nonce []byte) error {
	if len(nonce) < MinNonce || len(nonce) > MaxNonce {
		return fmt.Errorf("a nonce has %d to %d bytes, not %d", MinNonce, MaxNonce, len(nonce))
	}
	return nil
}

// Check returns why v is no verifier.
func (v *Verifier) Check() error {
	if err := CheckParameters(v.Salt, v.Iterations); err != nil {
		return err
	}
	if len(v.StoredKey) != keySize || len(v.ServerKey) != keySize {
		return fmt.Errorf("the keys of a password have %d bytes each", keySize)
	}
	return nil
}

// New returns a verifier of a password, and its keys. It takes some hundredths of a second.
func New(password string) (Verifier, Keys, error) {
	salt := make([]byte, MinSalt)
	_, _ = rand.Read(salt) // never fails
	k, err := Derive(password, salt, Iterations)
	if err != nil {
		return Verifier{}, k, err
	}
	stored := sha256.Sum256(k.client)
	return Verifier{Salt: salt, Iterations: Iterations, StoredKey: stored[:], ServerKey: k.server}, k, nil
}

// Derive returns the keys of a password. An empty or a very long one is refused.
func Derive(password string, salt []byte, iterations int) (Keys, error) {
	switch {
	case password == "":
		return Keys{}, errors.New("the password is empty")
	case len(password) > MaxPassword:
		return Keys{}, fmt.Errorf("the password has %d bytes, %d are allowed", len(password), MaxPassword)
	}
	if err := CheckParameters(salt, iterations); err != nil {
		return Keys{}, err
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, keySize)
	if err != nil { // only in FIPS mode, for what it finds too short
		return Keys{}, fmt.Errorf("key of the password: %w", err)
	}
	return Keys{client: mac(salted, []byte("Client Key")), server: mac(salted, []byte("Server Key"))}, nil
}

// Prove returns the proof that the keys are known.
func (k Keys) Prove(x *Exchange) []byte {
	stored := sha256.Sum256(k.client)
	return xor(k.client, mac(stored[:], x.bytes()))
}

// Trusts reports whether signature proves that the other side holds the verifier.
func (k Keys) Trusts(x *Exchange, signature []byte) bool {
	return hmac.Equal(signature, mac(k.server, x.bytes()))
}

// Judge reports whether a proof fits, and returns the signature that answers it.
func (v *Verifier) Judge(x *Exchange, proof []byte) (signature []byte, ok bool) {
	said := x.bytes()
	if len(proof) != keySize {
		return nil, false
	}
	client := sha256.Sum256(xor(proof, mac(v.StoredKey, said)))
	if !hmac.Equal(client[:], v.StoredKey) {
		return nil, false
	}
	return mac(v.ServerKey, said), true
}

// Decoy returns a verifier that no password fits, the same for each name under one key, so
// that who asks cannot tell it from a real one.
func Decoy(key []byte, name string) Verifier {
	return Verifier{
		Salt: mac(key, []byte("salt "+name))[:MinSalt], Iterations: Iterations,
		StoredKey: mac(key, []byte("stored "+name)), ServerKey: mac(key, []byte("server "+name)),
	}
}

// bytes is what is proved: the label, then each part after its length.
func (x *Exchange) bytes() []byte {
	b := []byte(label)
	for _, part := range [][]byte{x.Transcript[:], []byte(x.Channel), x.ClientNonce, x.HubNonce, x.Salt} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(x.Iterations))
}

func mac(key, of []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(of)
	return h.Sum(nil)
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i]
	}
	return out
}
