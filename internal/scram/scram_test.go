// SPDX-License-Identifier: Apache-2.0

package scram_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/internal/scram"
)

func TestMain(m *testing.M) { leak.Main(m) }

func example() scram.Exchange {
	return scram.Exchange{
		Transcript: sha256.Sum256([]byte("t")), Channel: "vault", ClientNonce: []byte("client nonce 0123"), HubNonce: []byte("hub nonce 0123456"),
		Salt: []byte("salt 0123456789a"), Iterations: scram.MinIterations,
	}
}

func verifierOf(t *testing.T, password string) (scram.Verifier, scram.Keys, scram.Exchange) {
	t.Helper()
	v, k, err := scram.New(password)
	if err != nil {
		t.Fatal(err)
	}
	x := example()
	x.Salt, x.Iterations = v.Salt, v.Iterations
	return v, k, x
}

// Each proves itself to the other, and nothing of the exchange may differ.
func TestBothProve(t *testing.T) {
	v, k, x := verifierOf(t, "secret")
	proof := k.Prove(&x)
	signature, ok := v.Judge(&x, proof)
	if !ok || !k.Trusts(&x, signature) {
		t.Fatal("a right password is refused")
	}
	again, err := scram.Derive("secret", v.Salt, v.Iterations)
	if err != nil || !bytes.Equal(again.Prove(&x), proof) {
		t.Fatal("the same password gives other keys", err)
	}
	for name, change := range map[string]func(x *scram.Exchange){
		"transcript":   func(x *scram.Exchange) { x.Transcript[31]++ },
		"channel":      func(x *scram.Exchange) { x.Channel += "2" },
		"client nonce": func(x *scram.Exchange) { x.ClientNonce = x.ClientNonce[1:] },
		"hub nonce":    func(x *scram.Exchange) { x.HubNonce = append(x.HubNonce, 0) },
		"boundary":     func(x *scram.Exchange) { x.Channel, x.ClientNonce = x.Channel+"c", x.ClientNonce[1:] },
		"salt":         func(x *scram.Exchange) { x.Salt = append([]byte{1}, x.Salt...) },
		"iterations":   func(x *scram.Exchange) { x.Iterations++ },
	} {
		other := x
		change(&other)
		if _, ok := v.Judge(&other, proof); ok {
			t.Errorf("%s is not part of the proof", name)
		}
		if k.Trusts(&other, signature) {
			t.Errorf("%s is not part of the signature", name)
		}
	}
	for _, bad := range [][]byte{nil, {}, proof[:31], append(bytes.Clone(proof), 0), signature, make([]byte, 32)} {
		if _, ok := v.Judge(&x, bad); ok {
			t.Errorf("%x is taken for a proof", bad)
		}
	}
}

// Who has stolen a verifier cannot prove that he knows the password.
func TestVerifierIsNoPassword(t *testing.T) {
	v, _, x := verifierOf(t, "secret")
	for _, stolen := range [][]byte{v.StoredKey, v.ServerKey} {
		m := hmac.New(sha256.New, v.StoredKey)
		m.Write(stolen)
		if _, ok := v.Judge(&x, m.Sum(nil)); ok {
			t.Fatal("a verifier is enough")
		}
	}
	other, _, _ := verifierOf(t, "secret")
	if bytes.Equal(other.Salt, v.Salt) || bytes.Equal(other.StoredKey, v.StoredKey) {
		t.Fatal("two verifiers of a password can be told to be of one")
	}
}

func TestDecoy(t *testing.T) {
	key := []byte("key")
	d := scram.Decoy(key, "a")
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	if again := scram.Decoy(key, "a"); !bytes.Equal(again.Salt, d.Salt) || d.Iterations != scram.Iterations {
		t.Fatal("a decoy changes")
	}
	if other := scram.Decoy(key, "b"); bytes.Equal(other.Salt, d.Salt) {
		t.Fatal("all decoys are the same")
	}
}

func TestBounds(t *testing.T) {
	salt := bytes.Repeat([]byte{1}, 16)
	for name, f := range map[string]func() error{
		"empty":     func() error { _, _, err := scram.New(""); return err },
		"long":      func() error { _, _, err := scram.New(strings.Repeat("x", scram.MaxPassword+1)); return err },
		"few":       func() error { _, err := scram.Derive("p", salt, scram.MinIterations-1); return err },
		"many":      func() error { _, err := scram.Derive("p", salt, scram.MaxIterations+1); return err },
		"salt":      func() error { _, err := scram.Derive("p", salt[:15], scram.MinIterations); return err },
		"long salt": func() error { return scram.CheckParameters(make([]byte, 65), scram.MinIterations) },
		"nonce":     func() error { return scram.CheckNonce(make([]byte, 15)) },
		"keys":      func() error { return (&scram.Verifier{Salt: salt, Iterations: scram.MinIterations}).Check() },
	} {
		if err := f(); err == nil || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The proof of docs/passwords.md, which other languages compute, too.
func TestVector(t *testing.T) {
	x := example()
	k, err := scram.Derive("correct horse", x.Salt, x.Iterations)
	if err != nil {
		t.Fatal(err)
	}
	const want = "9f90d5c0984a6ab256e652d7f933a97d43fdef29d7fec1fa7b6dbc7b89474365"
	if got := hex.EncodeToString(k.Prove(&x)); got != want {
		t.Fatalf("%s, not %s", got, want)
	}
}
