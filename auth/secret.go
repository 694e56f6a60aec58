// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// proofSize is the length of a proof, in bytes.
const proofSize = sha256.Size

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
// formatted with. It is safe for concurrent use.
type SharedSecret struct {
	secrets atomic.Pointer[[][]byte] // the present one first; none is empty
	leases  Leases
}

// Secret returns the mechanism "secret": both sides prove to each other that they know
// the same secret, without sending it, over this one connection. The package comment
// has the exact derivation. The secret is copied; an empty one is an error.
func Secret(secret []byte, opts *SecretOptions) (*SharedSecret, error) {
	s := &SharedSecret{}
	if _, err := s.Replace(secret, opts); err != nil {
		return nil, err
	}
	return s, nil
}

// Replace has connections from now on use other secrets; an error leaves all as it was. The
// sessions of clients that have proved a secret which is not among them end; it returns how
// many.
func (s *SharedSecret) Replace(secret []byte, opts *SecretOptions) (ended int, err error) {
	all := [][]byte{slices.Clone(secret)}
	if opts != nil {
		for _, old := range opts.Previous {
			all = append(all, slices.Clone(old))
		}
	}
	if slices.ContainsFunc(all, func(b []byte) bool { return len(b) == 0 }) {
		return 0, status.Errorf(status.InvalidArgument, "the secret is empty")
	}
	s.secrets.Store(&all)
	return s.leases.Recheck(), nil
}

// stands returns why a secret is taken no more, or nil.
func (s *SharedSecret) stands(secret []byte) error {
	for _, one := range *s.secrets.Load() {
		if hmac.Equal(one, secret) {
			return nil
		}
	}
	return status.Errorf(status.Unauthenticated, "the secret was replaced by another one")
}

// Format writes a placeholder for every verb.
func (s *SharedSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret(not shown)") }

// Name returns "secret".
func (s *SharedSecret) Name() string { return nameSecret }

// Client returns the exchange that proves itself first.
func (s *SharedSecret) Client(b Binding) Exchange {
	present := (*s.secrets.Load())[0]
	prove := func(in []byte) ([]byte, error) {
		if _, err := silent(in); err != nil {
			return nil, err
		}
		return clientProof(present, b.Transcript)
	}
	check := func(in []byte) ([]byte, error) { return nil, checkServer(present, b.Transcript, in) }
	return &script{other: identify(nameSecret, nameSecret, b.Peer), steps: []step{prove, check}}
}

// Server returns the exchange that proves itself only to a client that has.
func (s *SharedSecret) Server(b Binding) Exchange {
	x := &script{other: identify(nameSecret, nameSecret, b.Peer)}
	x.steps = []step{func(in []byte) ([]byte, error) {
		out, match, err := s.answer(b.Transcript, in)
		if err == nil {
			x.other.Lease = s.leases.Lease(time.Time{}, func() error { return s.stands(match) })
		}
		return out, err
	}}
	return x
}

// answer checks a client's proof and returns the server's, and the secret that both have.
func (s *SharedSecret) answer(transcript [32]byte, proof []byte) (answer, match []byte, err error) {
	for _, secret := range *s.secrets.Load() { // all of them, whichever fits: see Timing
		want, err := clientProof(secret, transcript)
		if err != nil {
			return nil, nil, err
		}
		if hmac.Equal(want, proof) {
			match = secret
		}
	}
	if match == nil {
		return nil, nil, errProof(proof)
	}
	answer, err = serverProof(match, transcript, proof)
	return answer, match, err
}

func checkServer(secret []byte, transcript [32]byte, proof []byte) error {
	mine, err := clientProof(secret, transcript)
	if err != nil {
		return err
	}
	want, err := serverProof(secret, transcript, mine)
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
