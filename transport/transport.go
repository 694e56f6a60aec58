// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
)

// Sizes of the frame layer, in bytes. A frame is at most MaxFrame long, header and
// length word included, on every transport; a longer message travels as several frames.
const (
	// MinFrame is the shortest frame a Conn accepts: a length word and four more bytes.
	MinFrame = 8
	// MaxFrame is the longest frame a Conn accepts or sends: 64 KiB of payload and room
	// for the header and its extensions.
	MaxFrame = 68 << 10
	// ChunkSize is how much a stream Conn reads at once. It holds at least one frame of
	// MaxFrame, so that a frame never needs memory beyond its chunk.
	ChunkSize = 128 << 10
)

// Conn carries whole frames between two processes and knows nothing of their meaning,
// except that the first four bytes of a frame are its own length, a little-endian u32
// that counts itself.
//
// At most one goroutine calls Send and at most one calls Recv at a time; the two may
// overlap, and Close may be called at any time, from anywhere, more than once: pending
// and later calls then fail with an error that is net.ErrClosed.
//
// What else a Conn can do is found by asserting the one-method interfaces of this
// package (TrySender, Readier, Interrupter, Credentialer, ...), once, when a session is
// made. A wrapper never embeds a Conn: it declares again what it really offers.
type Conn interface {
	// Send writes one or more whole frames that lie back to back in p, and returns when
	// the operating system or the peer has taken all of them. It does not keep p. After
	// an error the Conn is unusable.
	Send(p []byte) error

	// Recv returns the next frame, which the caller owns and releases. At a clean end
	// between two frames it returns io.EOF, inside a frame io.ErrUnexpectedEOF, for a
	// length outside MinFrame..MaxFrame a *FrameError, after Interrupt ErrInterrupted
	// (only that one leaves the Conn usable).
	Recv() (*Buffer, error)

	// Close ends both directions at once and releases what the Conn holds.
	Close() error
}

// TrySender is offered by a Conn that can send without blocking.
type TrySender interface {
	// TrySend writes as much of p as can be taken now and returns how many bytes that
	// were; it never blocks. It may stop inside a frame: the rest must be sent, by
	// TrySend or Send, before anything else. p is as in Conn.Send, or such a rest.
	TrySend(p []byte) (int, error)
}

// Readier is offered by a Conn that knows what it has buffered.
type Readier interface {
	// Ready reports whether the next Recv returns a frame without a system call. It is
	// called by the goroutine that may call Recv.
	Ready() bool
}

// Batcher is offered by a Conn that can give several frames at once.
type Batcher interface {
	// RecvBatch is Recv for all whole frames that have come together, at least one: they
	// lie in the Buffer one after the other. It and Recv may be called in turn. A
	// malformed frame ends a batch; its error comes with the next.
	RecvBatch() (*Buffer, error)
}

// Interrupter is offered by a Conn whose Recv can be stopped without harm.
type Interrupter interface {
	// Interrupt makes the pending Recv, or else the next one, return ErrInterrupted. No
	// byte is lost. Several interrupts before a Recv count once. It may be called from
	// any goroutine and does not block.
	Interrupt()
}

// Credentialer is offered by a Conn whose peer the operating system vouches for.
type Credentialer interface {
	// PeerCredentials returns who opened the other end, as the kernel recorded it.
	PeerCredentials() (Credentials, error)
}

// Binder is offered by a Conn that is itself a secure channel (TLS, Noise).
type Binder interface {
	// ChannelBinding returns bytes that are the same at both ends of this very
	// connection and at no other (RFC 9266, tls-exporter; the hash of a Noise handshake), so that a proof of a secret
	// cannot be relayed.
	ChannelBinding() ([]byte, error)
}

// Certifier is offered by a Conn whose peer has shown a certificate (mutual TLS).
type Certifier interface {
	// TLSState returns the state of the completed TLS handshake.
	TLSState() tls.ConnectionState
}

// Addresser is offered by a Conn that can tell where its other end is, for logs and
// for people; never a base for decisions.
type Addresser interface {
	// RemoteAddress returns the peer's address in the form of an endpoint, or "" where
	// the peer has none.
	RemoteAddress() string
}

// Upgrader is offered by a Conn that can turn itself into a faster one after both sides
// have authenticated each other (a unix socket into shared memory). It is used in the
// UPGRADE step of the handshake, when no other frame is under way.
type Upgrader interface {
	// Upgrades lists the names of the upgrades that this Conn can make, best first.
	Upgrades() []string
	// OfferUpgrade, at the dialling end, returns what the peer needs to know, and a
	// function that makes the new Conn of the peer's answer. After a refusal the function
	// is not called and the old Conn goes on.
	OfferUpgrade(name string) (offer []byte, finish func(answer []byte) (Conn, error), err error)
	// AcceptUpgrade, at the accepting end, returns the answer, which still travels on the
	// old Conn, and the new Conn. An error refuses.
	AcceptUpgrade(name string, offer []byte) (answer []byte, upgraded Conn, err error)
}

// Credentials is what the kernel knows of a peer process. Decisions use UID and GID,
// never PID: a process id may be used again.
type Credentials struct {
	// UID and GID are the effective user and group when the connection was made. Both
	// are -1 where the platform has none (Windows).
	UID, GID int
	// PID is the process id, 0 if unknown.
	PID int
	// SID is the user's security identifier on Windows, else "".
	SID string
}

// Transport is a driver under one or more schemes. All methods may be called at any
// time from any goroutine.
type Transport interface {
	// Schemes lists the endpoint schemes that the driver serves.
	Schemes() []string
	// Dial connects to ep. It gives up with ctx. opts may be nil.
	Dial(ctx context.Context, ep endpoint.Endpoint, opts *Options) (Conn, error)
	// Listen binds ep. ctx bounds the binding, not the listener's life. opts may be nil.
	Listen(ctx context.Context, ep endpoint.Endpoint, opts *Options) (Listener, error)
}

// Listener is a bound endpoint that accepts connections. Accept may be called from
// several goroutines; Close from anywhere, more than once.
type Listener interface {
	// Accept returns the next connection, without any handshake above the transport's
	// own: it never waits for a peer that says nothing. Errors other than
	// net.ErrClosed are passing (descriptors exhausted, a peer gone before it was
	// accepted): the caller tries again after a pause.
	Accept() (Conn, error)
	// Endpoint returns the real address: port 0 and abstract names resolved.
	Endpoint() endpoint.Endpoint
	// Close stops accepting and removes what Listen created, if it is still ours.
	Close() error
}

// StreamTransport is offered by a Transport whose connections are byte streams: it gives
// the plain connection under the same address, permission, stale-path and credential
// rules, for programs with a protocol of their own.
type StreamTransport interface {
	// DialStream is Dial without frames.
	DialStream(ctx context.Context, ep endpoint.Endpoint, opts *Options) (net.Conn, error)
	// ListenStream is Listen without frames.
	ListenStream(ctx context.Context, ep endpoint.Endpoint, opts *Options) (net.Listener, error)
}

// Options tune Dial and Listen. The nil pointer and the zero value are useful; a field
// that does not concern a transport is ignored by it.
type Options struct {
	// Mode is the permission of a unix socket path, 0 for 0600. Bits for others are
	// allowed only if set here on purpose.
	Mode fs.FileMode
	// Group, a name or number, is given the socket path, which then gets mode 0660
	// unless Mode says otherwise. "" leaves it alone.
	Group string
	// TLS configures tls endpoints. A listener needs certificates; a dialler needs
	// roots unless the system's are meant. At least TLS 1.3 is used whatever it says.
	TLS *tls.Config
	// KeepAlive is the TCP keep-alive idle time, 0 for 15 s, negative for none.
	KeepAlive time.Duration
	// SendBuffer and RecvBuffer are the socket buffer sizes in bytes, 0 for the
	// system's default.
	SendBuffer, RecvBuffer int
	// Warn, if not nil, is told in one sentence what is allowed but risky: a TCP
	// listener bound wider than loopback.
	Warn func(sentence string)
}
