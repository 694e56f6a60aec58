// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/transport"
)

// Scheme is what the addresses of this transport begin with.
const Scheme = "noise+tcp"

// DefaultHandshakeTimeout is how long a handshake may take if nothing else is said.
const DefaultHandshakeTimeout = 5 * time.Second

// maxPrevious bounds Config.Previous: every one of them is tried at each connection.
const maxPrevious = 4

// Config says which keys count. A listener and a dialler may have the same.
type Config struct {
	// Shared is the key that both sides have; the zero Key is none.
	Shared Key
	// Previous are shared keys that a listener still takes while a new one is introduced,
	// at most four. Diallers do not use them.
	Previous []Key
	// Private is the own key pair; the zero key is none, and then Shared is needed.
	Private PrivateKey
	// Server is the public key that a listener must prove to a dialler with Private.
	Server PublicKey
	// Admit says, for each connection anew, which public keys a listener with Private takes: see Only, Anyone. It
	// is called from many goroutines and must not block. nil is everybody who has Shared, and
	// nobody without it.
	Admit func(PublicKey) bool
	// HandshakeTimeout bounds the handshake, 0 for DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
}

// Only returns a rule for Config.Admit: these keys and no other.
func Only(keys ...PublicKey) func(PublicKey) bool {
	all := make(map[PublicKey]bool, len(keys))
	for _, k := range keys {
		all[k] = true
	}
	return func(k PublicKey) bool { return all[k] }
}

// Anyone is a rule for Config.Admit: who connects is known by his key, and nobody is
// turned away. Something else must say who may do what.
func Anyone(PublicKey) bool { return true }

// check refuses what cannot be meant.
func (c *Config) check() error {
	switch {
	case c.Shared.IsZero() && c.Private.IsZero():
		return errors.New("a shared key is needed, or a private one")
	case len(c.Previous) > maxPrevious:
		return errors.New("at most four previous keys are taken")
	case c.Shared.IsZero() && len(c.Previous) > 0:
		return errors.New("previous keys are of use only beside a present one")
	case c.Private.IsZero() && (c.Admit != nil || !c.Server.IsZero()):
		return errors.New("public keys of others are of use only with a private key")
	}
	for _, k := range c.Previous {
		if k.IsZero() {
			return errZeroKey
		}
	}
	return nil
}

// Transport is the driver for noise+tcp. It is immutable: all methods may be called from
// any goroutine.
type Transport struct {
	tcp transport.StreamTransport
	cfg Config
}

var _ transport.Transport = (*Transport)(nil)

// New returns the driver. tcp, such as socket.TCP(), makes the connections. The error says
// which keys are missing or contradict each other.
func New(tcp transport.StreamTransport, cfg Config) (*Transport, error) {
	cfg.Previous = append([]Key(nil), cfg.Previous...)
	if err := cfg.check(); err != nil {
		return nil, &transport.Error{Op: "configure", Endpoint: Scheme, Err: err}
	}
	if cfg.HandshakeTimeout <= 0 {
		cfg.HandshakeTimeout = DefaultHandshakeTimeout
	}
	return &Transport{tcp, cfg}, nil
}

// Schemes implements transport.Transport.
func (t *Transport) Schemes() []string { return []string{Scheme} }

// Dial implements transport.Transport. It returns after the handshake. The causes ErrKeys
// and ErrProtocol come inside a *transport.Error.
func (t *Transport) Dial(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Conn, error) {
	if !t.cfg.Private.IsZero() && t.cfg.Server.IsZero() {
		return nil, failed("dial", ep, errors.New("the public key of the listener is needed"))
	}
	below, err := ep.WithScheme("tcp")
	if err != nil {
		return nil, failed("dial", ep, err)
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.HandshakeTimeout)
	defer cancel()
	nc, err := t.tcp.DialStream(ctx, below, opts)
	if err != nil {
		return nil, failed("dial", ep, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
	o, err := t.cfg.dial(nc, nil)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	var c transport.Conn
	if err == nil {
		c, err = newConn(nc, ep.String(), nil, o)
	}
	if err == nil {
		return c, nil
	}
	_ = nc.Close()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return nil, failed("dial", ep, err)
}

// Listen implements transport.Transport. Accept does not wait for handshakes: the first of
// Send, Recv and ChannelBinding of a Conn makes it.
func (t *Transport) Listen(ctx context.Context, ep endpoint.Endpoint, opts *transport.Options) (transport.Listener, error) {
	if t.cfg.Shared.IsZero() && t.cfg.Admit == nil {
		return nil, failed("listen", ep, errors.New("nobody could connect: a shared key is needed, or public keys to admit"))
	}
	below, err := ep.WithScheme("tcp")
	if err != nil {
		return nil, failed("listen", ep, err)
	}
	l, err := t.tcp.ListenStream(ctx, below, t.quiet(opts))
	if err != nil {
		return nil, failed("listen", ep, err)
	}
	real, err := ep.WithPort(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return nil, failed("listen", ep, errors.Join(err, l.Close()))
	}
	return &listener{l: l, ep: real, cfg: &t.cfg}, nil
}

// quiet returns opts with another warning about a wide address: what is sent cannot be
// read, and who has a key is known.
func (t *Transport) quiet(opts *transport.Options) *transport.Options {
	if opts == nil || opts.Warn == nil {
		return opts
	}
	o := *opts
	o.Warn = nil
	return &o
}

// failed gives an error its address, and drops that of the transport below.
func failed(op string, ep endpoint.Endpoint, err error) error {
	var below *transport.Error
	if errors.As(err, &below) {
		return &transport.Error{Op: op, Endpoint: ep.String(), Reason: below.Reason, Err: below.Err}
	}
	return &transport.Error{Op: op, Endpoint: ep.String(), Err: err}
}

// listener implements transport.Listener.
type listener struct {
	l   net.Listener
	ep  endpoint.Endpoint
	cfg *Config
}

// Endpoint implements transport.Listener.
func (l *listener) Endpoint() endpoint.Endpoint { return l.ep }

// Close implements transport.Listener.
func (l *listener) Close() error { return l.l.Close() }

// Accept implements transport.Listener.
func (l *listener) Accept() (transport.Conn, error) {
	nc, err := l.l.Accept()
	if err != nil {
		return nil, err
	}
	c, err := newConn(nc, Scheme+"://"+nc.RemoteAddr().String(), l.cfg, nil)
	if err != nil {
		_ = nc.Close()
	}
	return c, err
}
