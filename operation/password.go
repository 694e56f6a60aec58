// SPDX-License-Identifier: Apache-2.0

package operation

// Unlocking asks to be let into a channel that has a password. The first of two has no proof
// and is answered with what the proof is made of; the second has it.
type Unlocking struct {
	Channel string `json:"channel"`
	Nonce   []byte `json:"nonce"` // random, the same in both
	Proof   []byte `json:"proof,omitempty"`
}

// Unlocked answers Unlocking: to the first with Salt, Iterations and Nonce, to the second
// with Proof, by which the hub shows that it has the verifier of this very password.
type Unlocked struct {
	Salt       []byte `json:"salt,omitempty"`
	Iterations int    `json:"iterations,omitempty"`
	Nonce      []byte `json:"nonce,omitempty"` // the hub's
	Proof      []byte `json:"proof,omitempty"`
}

// Protection sets the password of a channel, or removes it: Verifier is nil. It is for the
// owner; a channel that does not exist comes into being, owned by who asks. A password that
// is set removes everybody else from the channel.
type Protection struct {
	Channel  string    `json:"channel"`
	Verifier *Verifier `json:"verifier,omitempty"`
	Create   bool      `json:"create,omitempty"` // only if the channel does not exist yet
}

// Verifier is what a hub keeps of a password, see docs/passwords.md. The password itself
// never travels.
type Verifier struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`
}

// Backoff is the detail of a refusal that wants the peer to wait.
type Backoff struct {
	RetryAfter float64 `json:"retry_after_seconds"`
}
