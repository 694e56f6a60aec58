// SPDX-License-Identifier: Apache-2.0

package auth

// MaxStep is the longest message of an exchange, in bytes.
const MaxStep = 4 << 10

// Names of the mechanisms of this package, as they travel in HELLO.
const (
	nameNone   = "none"
	namePeer   = "peer"
	nameSecret = "secret"
)

// Names of mechanisms by which others choose one: NameTLS is that of Certificates, NameToken
// that of package token.
const (
	NameTLS   = "tls"
	NameToken = "token"
)

// Binding is what both ends of one connection know and nobody else can choose.
type Binding struct {
	// Transcript is the SHA-256 over both HELLO frames, with the nonces of both sides, and
	// the channel binding of TLS where there is one. A proof made over it is good for this
	// connection only. Package session computes it; all zero means that it has not, and
	// mechanisms that need it refuse to work.
	Transcript [32]byte
	// Peer is what this end's transport knows of the other. The two ends differ in it.
	Peer Peer
}

// Mechanism is a way to authenticate. It may be used by any number of connections at a
// time; what it is judged by may change while it is in use, its name does not.
type Mechanism interface {
	// Name is what travels in HELLO: "none", "peer", "secret", "tls", "token". A "+" in it is for All.
	Name() string
	// Client returns the exchange of the side that dialled.
	Client(b Binding) Exchange
	// Server returns the exchange of the side that accepted.
	Server(b Binding) Exchange
}

// Exchange is one side of one authentication. It belongs to one goroutine at a time.
type Exchange interface {
	// Step takes what the other side sent, nil at the client's first step, and returns
	// what to send. It keeps neither in nor out. With done this side is satisfied; the
	// package comment has the rules. An error is final.
	Step(in []byte) (out []byte, done bool, err error)
	// Identity is the authenticated other side. Before done it is nobody.
	Identity() Identity
}
