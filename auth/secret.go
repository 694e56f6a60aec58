// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/plexus-ipc/plexus/status"
)

// proofSize is the length of a proof, in bytes.
const proofSize = sha256.Size

// weakBelow is the length in bytes below which a secret earns a warning.
const weakBelow = 16

// Labels of the key derivation. They are part of the protocol.
const (
	clientLabel = "plexus auth secret v1 client"
	serverLabel = "plexus auth secret v1 server"
)

// SecretOptions are the rarer wishes of Secret. Nil and the zero value are useful.
type SecretOptions struct {
	// Previous lists secrets that a server still takes while a new one is introduced. It
	// proves itself with the one that the client has. Clients do not use them.
	Previous [][]byte
}

// SharedSecret is the mechanism "secret". It never shows the secret, whatever it is
// formatted with.
type SharedSecret struct {
	secrets [][]byte // the present one first; none is empty
}

// Secret returns the mechanism "secret": both sides prove to each other that they know
// the same secret, without sending it, over this one connection. The package comment
// has the exact derivation. The secret is copied; an empty one is an error.
func Secret(secret []byte, opts *SecretOptions) (*SharedSecret, error) {
	s := &SharedSecret{secrets: [][]byte{slices.Clone(secret)}}
	if opts != nil {
		for _, old := range opts.Previous {
			s.secrets = append(s.secrets, slices.Clone(old))
		}
	}
	if slices.ContainsFunc(s.secrets, func(b []byte) bool { return len(b) == 0 }) {
		return nil, status.Errorf(status.InvalidArgument, "the secret is empty")
	}
	return s, nil
}

// Warning returns a sentence for the operator if a secret is so short that who saw one
// proof may find it by trying, else "".
func (s *SharedSecret) Warning() string {
	shortest := len(slices.MinFunc(s.secrets, func(a, b []byte) int { return len(a) - len(b) }))
	if shortest >= weakBelow {
		return ""
	}
	return fmt.Sprintf("a secret has only %d bytes and may be found by trying; use at least %d random bytes", shortest, weakBelow)
}

// Format writes a placeholder for every verb.
func (s *SharedSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret(not shown)") }

// Name returns "secret".
func (s *SharedSecret) Name() string { return nameSecret }

// Client returns the exchange that proves itself first.
func (s *SharedSecret) Client(b Binding) Exchange {
	prove := func(in []byte) ([]byte, error) {
		if _, err := silent(in); err != nil {
			return nil, err
		}
		return clientProof(s.secrets[0], b.Transcript)
	}
	check := func(in []byte) ([]byte, error) { return nil, s.checkServer(b.Transcript, in) }
	return &script{other: identify(nameSecret, nameSecret, b.Peer), steps: []step{prove, check}}
}

// Server returns the exchange that proves itself only to a client that has.
func (s *SharedSecret) Server(b Binding) Exchange {
	answer := func(in []byte) ([]byte, error) { return s.answer(b.Transcript, in) }
	return &script{other: identify(nameSecret, nameSecret, b.Peer), steps: []step{answer}}
}

// answer checks a client's proof and returns the server's.
func (s *SharedSecret) answer(transcript [32]byte, proof []byte) ([]byte, error) {
	var match []byte
	for _, secret := range s.secrets { // all of them, whichever fits: see Timing
		want, err := clientProof(secret, transcript)
		if err != nil {
			return nil, err
		}
		if hmac.Equal(want, proof) {
			match = secret
		}
	}
	if match == nil {
		return nil, errProof(proof)
	}
	return serverProof(match, transcript, proof)
}

func (s *SharedSecret) checkServer(transcript [32]byte, proof []byte) error {
	mine, err := clientProof(s.secrets[0], transcript)
	if err != nil {
		return err
	}
	want, err := serverProof(s.secrets[0], transcript, mine)
	if err != nil {
		return err
	}
	if !hmac.Equal(want, proof) {
		return errProof(proof)
	}
	return nil
}

// errProof says what is wrong with a proof, and of its content only that it is wrong.
func errProof(proof []byte) error {
	if len(proof) != proofSize {
		return status.Errorf(status.Protocol, "a proof of a secret has %d bytes, not %d", proofSize, len(proof))
	}
	return status.Errorf(status.Unauthenticated, "the proof of the secret is wrong")
}

func clientProof(secret []byte, transcript [32]byte) ([]byte, error) {
	return prove(clientLabel, secret, transcript, nil)
}

func serverProof(secret []byte, transcript [32]byte, client []byte) ([]byte, error) {
	return prove(serverLabel, secret, transcript, client)
}

// prove returns HMAC(HKDF(secret, transcript, label), transcript ‖ more).
func prove(label string, secret []byte, transcript [32]byte, more []byte) ([]byte, error) {
	if transcript == [32]byte{} {
		return nil, status.Errorf(status.Internal, "no transcript to bind the proof to")
	}
	key, err := hkdf.Key(sha256.New, secret, transcript[:], label, sha256.Size)
	if err != nil { // only in FIPS mode, for a secret that is too short for it
		return nil, status.Errorf(status.Internal, "key of the secret: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(transcript[:])
	mac.Write(more)
	return mac.Sum(nil), nil
}
