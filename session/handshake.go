// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// maxRounds bounds the AUTH frames of one side.
const maxRounds = 8

// Dial shakes hands on a Conn that this side has dialled and returns the session. ctx
// and the handshake timeout bound the handshake, not the session. On failure the Conn is
// closed.
func Dial(ctx context.Context, conn transport.Conn, cfg *Config) (*Session, error) {
	return establish(ctx, conn, cfg, true)
}

// Accept is Dial for a Conn that was accepted. It may take as long as the peer lets it,
// up to the timeout, so it does not belong into an accept loop.
func Accept(ctx context.Context, conn transport.Conn, cfg *Config) (*Session, error) {
	return establish(ctx, conn, cfg, false)
}

func establish(ctx context.Context, conn transport.Conn, cfg *Config, dialled bool) (*Session, error) {
	cfg = cfg.withDefaults()
	limit, cancel := context.WithTimeout(ctx, cfg.HandshakeTimeout)
	defer cancel()
	h := &handshake{cfg: cfg, conn: conn, dialled: dialled}
	end := h.lateness()
	defer end.Stop()
	stop := context.AfterFunc(limit, end.begin)
	err := h.run(limit)
	if !stop() && err == nil {
		err = ctxError(limit)
	}
	if err != nil {
		conn.Close()
		if h.conn != conn {
			h.conn.Close() // upgraded
		}
		if limit.Err() != nil {
			return nil, h.tooLate(ctx, limit)
		}
		return nil, status.Convert(err)
	}
	return h.start(), nil
}

// handshake is the lockstep part of a session:
//
//	dialler   preface, HELLO ─────►
//	                         ◄───── preface, HELLO      accepter
//	          AUTH ──────────────►
//	                         ◄───── AUTH (… until done, or GOAWAY with the reason)
//	          UPGRADE ───────────►                       (only if both name one)
//	                         ◄───── UPGRADE
type handshake struct {
	cfg     *Config
	conn    transport.Conn
	dialled bool

	chain    auth.Chain
	received int
	mine     wire.Hello
	theirs   wire.Hello
	rawMine  []byte
	rawPeer  []byte

	transcript [32]byte
	id         string
	identity   auth.Identity
	last       *wire.Auth // the accepting side's last word, held back; nil if it was sent
}

func (h *handshake) run(ctx context.Context) error {
	if h.dialled {
		if err := h.mayServe(); err != nil {
			return err
		}
		if err := h.sendHello(); err != nil {
			return err
		}
		if err := h.readHello(); err != nil {
			return err
		}
		if err := h.authenticateClient(); err != nil {
			return err
		}
		return h.upgradeClient()
	}
	if err := h.hear(); err != nil {
		h.refuse(ctx, err)
		return err
	}
	if err := h.sendHello(); err != nil {
		return err
	}
	if err := h.authenticateServer(ctx); err != nil {
		h.refuse(ctx, err)
		return err
	}
	return h.upgradeServer()
}

// sendHello sends preface and HELLO.
func (h *handshake) sendHello() error {
	c := h.cfg
	h.mine = wire.Hello{
		Product: c.Product, ID: c.ID, Instance: c.Instance, Epoch: c.Epoch, Nonce: randomHex(32),
		Limits: c.limits(), Metadata: c.Metadata, Features: c.Features, Heartbeat: uint32(max(0, c.Heartbeat.Milliseconds())),
	}
	h.chain = c.Auth
	if h.dialled {
		h.mine.Auth = h.chain.Names()
	} else {
		if c.AuthFor != nil {
			h.chain = c.AuthFor(h.peer())
		}
		h.mine.Auth = h.chain.Offer(h.peer())
	}
	if u, ok := h.conn.(transport.Upgrader); ok {
		h.mine.Upgrades = u.Upgrades()
	}
	body, err := wire.AppendJSON(nil, &h.mine)
	if err != nil {
		return err
	}
	if limit := wire.MaxHandshake - wire.PrefaceSize - 8<<10; len(body) > limit {
		return status.Errorf(status.InvalidArgument, "the metadata is too long: HELLO has %d bytes", len(body))
	}
	h.rawMine = body
	out := wire.AppendPreface(nil, wire.Preface{Major: wire.Major, Minor: wire.Minor})
	out = wire.AppendFrame(out, wire.Header{Kind: wire.KindHello}, nil, body)
	return h.send(out)
}

func (h *handshake) send(frames []byte) error {
	if err := h.conn.Send(frames); err != nil {
		return h.broken("send", err)
	}
	return nil
}

// broken describes a Conn that failed during the handshake.
func (h *handshake) broken(op string, err error) error {
	if fe, ok := errors.AsType[*transport.FrameError](err); ok {
		return status.Errorf(status.Protocol, "no Plexus peer: %s: %w", wire.Guess(fe.Head), err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &status.Error{Code: status.Unavailable, Message: "the peer closed the connection during the handshake", Err: io.ErrUnexpectedEOF}
	}
	if errors.Is(err, transport.ErrDenied) {
		return &status.Error{Code: status.PermissionDenied, Message: err.Error(), Err: err}
	}
	return &status.Error{Code: status.Unavailable, Message: "the handshake broke off (" + op + ": " + err.Error() + ")", Err: err}
}

// receive returns the payload of the next frame, which must be of a kind. A GOAWAY is the
// peer's refusal.
func (h *handshake) receive(kind wire.Kind) ([]byte, error) {
	for {
		b, err := h.conn.Recv()
		if err != nil {
			return nil, h.broken("receive", err)
		}
		hdr, payload, err := h.accept(b)
		if err != nil {
			return nil, err
		}
		switch {
		case hdr.Kind == kind:
			return payload, nil
		case hdr.Kind == wire.KindGoaway:
			return nil, parseStatus(payload)
		case hdr.Flags&wire.FlagIgnorable == 0:
			return nil, status.Errorf(status.Protocol, "the peer sent %s where %s was due", hdr.Kind, kind)
		}
	}
}

// accept copies and releases a frame and counts it against the limit.
func (h *handshake) accept(b *transport.Buffer) (wire.Header, []byte, error) {
	defer b.Release()
	if h.received += b.Len(); h.received > wire.MaxHandshake {
		return wire.Header{}, nil, status.Errorf(status.Protocol, "the peer sent more than %d bytes before it was authenticated", wire.MaxHandshake)
	}
	hdr, _, payload, err := wire.ParseFrame(b.Bytes())
	if err != nil {
		return hdr, nil, status.Errorf(status.Protocol, "%w", err)
	}
	return hdr, bytes.Clone(payload), nil
}

func (h *handshake) readHello() error {
	b, err := h.conn.Recv()
	if err != nil {
		return h.broken("receive", err)
	}
	p, err := wire.ParsePreface(b.Bytes())
	b.Release()
	if err != nil {
		return status.Errorf(status.Protocol, "%w", err)
	}
	if p.Major != wire.Major {
		return status.Errorf(status.Protocol, "the peer speaks version %d.%d of the protocol, this side %d.%d", p.Major, p.Minor, wire.Major, wire.Minor)
	}
	if h.rawPeer, err = h.receive(wire.KindHello); err != nil {
		return err
	}
	if err := wire.ParseJSON(h.rawPeer, &h.theirs); err != nil {
		return status.Errorf(status.Protocol, "%w", err)
	}
	if len(h.theirs.Nonce) < 32 || len(h.theirs.Nonce) > 256 {
		return status.Errorf(status.Protocol, "the nonce in the peer's HELLO is too short or too long")
	}
	l := &h.theirs.Limits
	if l.Message == 0 || l.Calls == 0 || l.Routes == 0 || l.Stream == 0 || l.Route == 0 {
		return status.Errorf(status.Protocol, "a limit in the peer's HELLO is zero")
	}
	l.Calls = min(l.Calls, slotMask)
	l.Routes = min(l.Routes, 1<<20)
	return nil
}

// peer is what the transport knows of the other side.
func (h *handshake) peer() auth.Peer {
	var p auth.Peer
	if c, ok := h.conn.(transport.Credentialer); ok {
		if cred, err := c.PeerCredentials(); err == nil {
			p.UID, p.GID, p.PID, p.SID, p.HasCredentials = cred.UID, cred.GID, cred.PID, cred.SID, true
		}
	}
	p.TLS, p.Proved = proved(h.conn)
	p.RemoteAddress = h.address()
	return p
}

func (h *handshake) address() string {
	if a, ok := h.conn.(transport.Addresser); ok {
		return a.RemoteAddress()
	}
	return ""
}

// binding is what proofs are bound to: both HELLOs, the dialler's first, each with its
// length before it, and the channel binding of TLS or Noise.
func (h *handshake) binding() (auth.Binding, error) {
	client, server := h.rawMine, h.rawPeer
	if !h.dialled {
		client, server = server, client
	}
	var channel []byte
	if b, ok := h.conn.(transport.Binder); ok {
		var err error
		if channel, err = b.ChannelBinding(); err != nil {
			return auth.Binding{}, status.Errorf(status.Internal, "no channel binding: %w", err)
		}
	}
	sum := sha256.New()
	sum.Write([]byte("plexus transcript v1"))
	for _, part := range [][]byte{client, server, channel} {
		sum.Write([]byte{byte(len(part)), byte(len(part) >> 8), byte(len(part) >> 16), byte(len(part) >> 24)})
		sum.Write(part)
	}
	h.transcript = [32]byte(sum.Sum(nil))
	return auth.Binding{Transcript: h.transcript, Peer: h.peer()}, nil
}

func (h *handshake) sendAuth(a *wire.Auth) error {
	body, err := wire.AppendJSON(nil, a)
	if err != nil {
		return err
	}
	return h.send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindAuth}, nil, body))
}

func (h *handshake) receiveAuth() (a wire.Auth, err error) {
	body, err := h.receive(wire.KindAuth)
	if err != nil {
		return a, err
	}
	if err := wire.ParseJSON(body, &a); err != nil {
		return a, status.Errorf(status.Protocol, "%w", err)
	}
	return a, nil
}

// authenticateClient proves this side and checks the server, as the mechanism has it.
func (h *handshake) authenticateClient() error {
	mechanism, err := h.chain.Select(h.theirs.Auth)
	if err != nil {
		return err
	}
	binding, err := h.binding()
	if err != nil {
		return err
	}
	ex := mechanism.Client(binding)
	out, done, err := ex.Step(nil)
	if err != nil {
		return err
	}
	name := mechanism.Name()
	for range maxRounds {
		if err := h.sendAuth(&wire.Auth{Mechanism: name, Data: out}); err != nil {
			return err
		}
		name, out = "", nil
		a, err := h.receiveAuth()
		if err != nil {
			return err
		}
		if a.Mechanism != "" {
			return status.Errorf(status.Protocol, "the other side dials as well: one of the two has to listen")
		}
		if !done {
			if out, done, err = ex.Step(a.Data); err != nil {
				return err
			}
		} else if len(a.Data) > 0 {
			return status.Errorf(status.Protocol, "the server goes on with an authentication that is complete")
		}
		if a.Done && !done {
			return status.Errorf(status.Unauthenticated, "the server has not proved itself")
		}
		if a.Done {
			h.id, h.identity = a.ID, ex.Identity()
			return nil
		}
	}
	return status.Errorf(status.Unauthenticated, "the authentication takes too many rounds")
}

// authenticateServer has the client prove itself and admits it.
func (h *handshake) authenticateServer(ctx context.Context) error {
	first, err := h.receiveAuth()
	if err != nil {
		return err
	}
	mechanism, err := h.chain.Accept(first.Mechanism)
	if err != nil {
		return err
	}
	binding, err := h.binding()
	if err != nil {
		return err
	}
	if err := h.throttle(ctx, binding.Peer.Origin()); err != nil {
		return err
	}
	ex := mechanism.Server(binding)
	data := first.Data
	for range maxRounds {
		out, done, err := ex.Step(data)
		if err != nil {
			h.failed(ctx, binding.Peer.Origin())
			return err
		}
		if done {
			if h.cfg.Throttle != nil {
				h.cfg.Throttle.Succeeded(binding.Peer.Origin())
			}
			h.identity = ex.Identity()
			return h.admit(ctx, out)
		}
		if err := h.sendAuth(&wire.Auth{Data: out}); err != nil {
			return err
		}
		next, err := h.receiveAuth()
		if err != nil {
			return err
		}
		data = next.Data
	}
	return status.Errorf(status.Unauthenticated, "the authentication takes too many rounds")
}

// throttle makes a peer wait whose origin has failed before.
func (h *handshake) throttle(ctx context.Context, origin string) error {
	if h.cfg.Throttle == nil {
		return nil
	}
	wait, ok := h.cfg.Throttle.Admit(origin, time.Now())
	if !ok {
		return &status.Error{Code: status.Overloaded, Message: "too many failed attempts to authenticate: try again later"}
	}
	return sleep(ctx, wait)
}

// failed delays the answer to a failed attempt.
func (h *handshake) failed(ctx context.Context, origin string) {
	if h.cfg.Throttle != nil {
		_ = sleep(ctx, h.cfg.Throttle.Failed(origin, time.Now()))
	}
}

// admit gives the session its id and tells the client.
func (h *handshake) admit(ctx context.Context, out []byte) error {
	h.id = h.theirs.ID
	if h.cfg.Admit != nil {
		id, err := h.cfg.Admit(ctx, h.describePeer())
		if err != nil {
			return err
		}
		h.id = id
	}
	last := &wire.Auth{Data: out, Done: true, ID: h.id, Identity: h.identity.Name}
	if h.common() != "" {
		return h.sendAuth(last)
	}
	h.last = last // sent once the owner knows the session, so that the client finds it there
	return nil
}

func (h *handshake) describePeer() Peer {
	t := &h.theirs
	return Peer{
		ID: t.ID, Instance: t.Instance, Epoch: t.Epoch, Product: t.Product, Metadata: t.Metadata, Features: t.Features,
		Identity: h.identity, Address: h.address(), limits: t.Limits,
	}
}

// start makes the session out of a handshake that has succeeded.
func (h *handshake) start() *Session {
	s := &Session{
		cfg: h.cfg, conn: h.conn, dialled: h.dialled, began: time.Now(), done: make(chan struct{}),
		hardLimit: max(64<<20, 8*h.cfg.MaxMessage),
	}
	s.debug = h.cfg.Log.Enabled(context.Background(), slog.LevelDebug)
	s.try, _ = h.conn.(transport.TrySender)
	s.ready, _ = h.conn.(transport.Readier)
	s.batcher, _ = h.conn.(transport.Batcher)
	s.interrupt, _ = h.conn.(transport.Interrupter)
	s.lender, _ = h.conn.(transport.Lender)
	if c, ok := h.conn.(transport.Crowder); ok {
		c.Crowd(s.crowded)
	}
	s.peer, s.transcript = h.describePeer(), h.transcript
	s.id = h.id
	if !h.dialled {
		s.peer.ID, s.id = h.id, h.cfg.ID
		s.calls.parity = 1
	}
	s.calls.max = h.theirs.Limits.Calls
	s.routes.max = h.theirs.Limits.Routes
	s.out.wake = make(chan struct{}, 1)
	s.role.wake = make(chan struct{}, 1)
	s.role.callerTurn.s = s
	s.role.callerTurn.current.Store(&s.role.callerTurn.call)
	t := newTurn(s)
	s.role.turn.Store(t)
	s.wg.Add(1)
	s.out.writing.Store(true) // nothing may leave before the last AUTH
	if h.cfg.Started != nil {
		h.cfg.Started(s)
	}
	if proof := h.identity.Lease; proof != nil {
		s.startLease(proof) // before the peer is told that it is in
	}
	if h.last != nil {
		if err := h.sendAuth(h.last); err != nil {
			s.fail(err)
		}
	}
	s.out.mu.Lock()
	s.out.restLocked()
	s.out.mu.Unlock()
	s.flush(false)
	s.limitTime()
	go s.read(t)
	return s
}
