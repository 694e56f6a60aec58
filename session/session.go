// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

// Peer is the other party of a session.
type Peer struct {
	// ID is its member id: as it was admitted (seen by the accepting side), or the
	// server's own (seen by the dialling side).
	ID string
	// Instance and Epoch tell its sessions apart across cuts.
	Instance string
	Epoch    uint64
	// Product and Metadata are what it says about itself. Nobody has checked it.
	Product  string
	Metadata map[string]string
	// Features are the optional parts of the protocol that it says it knows.
	Features []string
	// Identity is what has been proved about it.
	Identity auth.Identity
	// Address is where it is, for people.
	Address string

	limits wire.Limits
}

// Session is an authenticated, multiplexed conversation over one Conn. All methods are
// safe for concurrent use.
type Session struct {
	// immutable
	cfg       *Config
	conn      transport.Conn
	try       transport.TrySender   // nil: the flusher does it
	ready     transport.Readier     // nil: unknown
	batcher   transport.Batcher     // nil: one frame at a time
	interrupt transport.Interrupter // nil: callers never read for themselves
	lender    transport.Lender      // nil: payloads are copied
	dialled   bool
	debug     bool // frames are logged
	id        string
	peer      Peer
	began     time.Time
	hardLimit int

	transcript [32]byte

	out    outbox
	routes routes // guarded by out.mu
	calls  calls
	in     inbound
	inbox  inbox
	owed   owed
	role   role
	dirty  dirty

	flushedBy atomic.Pointer[Session] // in whose dirty list it is; of the last that added it

	watched       atomic.Bool // in the Keeper's care
	ended         atomic.Bool // done is closed
	draining      atomic.Bool // no new calls: the peer goes away, or we do
	received      atomic.Uint64
	receivedBytes atomic.Uint64
	dropped       atomic.Uint64

	pings   pings
	sources sources
	mid     midframe
	beats   atomic.Uint64 // PINGs and PONGs received and sent, which are no use of the session

	wg   sync.WaitGroup
	hung sync.Once // the Conn was closed
	done chan struct{}
	mu   sync.Mutex
	err  *status.Error // why the session ended; guarded by mu
	away *status.Error // what the peer's GOAWAY said; guarded by mu
	end  []func(error) // called once at the end; guarded by mu
}

// ID returns the session's member id: what the server admitted this side as, or on the
// accepting side its own id.
func (s *Session) ID() string { return s.id }

// Peer returns the other party.
func (s *Session) Peer() Peer { return s.peer }

// Dialled reports whether this side began the session.
func (s *Session) Dialled() bool { return s.dialled }

// Began returns when the session was established.
func (s *Session) Began() time.Time { return s.began }

// Done is closed when the session has ended, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, nil while it lives.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return s.err
}

// OnEnd has f called once with the reason when the session ends, at once if it has. f
// must not block.
func (s *Session) OnEnd(f func(error)) {
	s.mu.Lock()
	if s.err == nil {
		s.end = append(s.end, f)
		s.mu.Unlock()
		return
	}
	err := s.err
	s.mu.Unlock()
	f(err)
}

// farewell is how long the end of a session may wait for the last words: for ours to
// leave, or for the peer's to arrive when it can be sent nothing any more.
const farewell = 100 * time.Millisecond

// Close ends the session and tells the peer. What was sent before still leaves, if the peer
// takes it within a tenth of a second; Close does not wait for that, nor for handlers: Wait
// does.
func (s *Session) Close() error {
	return s.CloseWith(status.Errorf(status.Closed, "the session was closed on this side: %w", net.ErrClosed))
}

// CloseWith is Close with a reason. The peer's calls fail with its code.
func (s *Session) CloseWith(reason *status.Error) error {
	told := reason
	if reason.Code == status.Closed {
		told = &status.Error{Code: status.PeerGone, Message: "the other side closed the session"}
	}
	s.closeTelling(reason, told)
	return nil
}

// closeTelling ends the session and tells the peer what concerns it.
func (s *Session) closeTelling(reason, told *status.Error) {
	end, first := s.settle(reason) // before: the peer may be gone as soon as it is told
	if first {
		s.control(wire.Header{Kind: wire.KindGoaway, Flags: wire.FlagEnd}, appendStatus(nil, told))
		s.depart(end, reason, true)
	}
}

// Wait returns when the session has ended and all its goroutines, handlers among them,
// have returned. So a handler must not call it, nor what was given to OnEnd.
func (s *Session) Wait() {
	<-s.done
	s.wg.Wait()
}

// fail ends the session with a reason, at once; only the first reason counts.
func (s *Session) fail(reason error) {
	err := status.Convert(reason)
	if end, first := s.settle(err); first {
		s.depart(end, err, false)
	}
}

// depart does what follows on settle. With leave what waits is still sent, GOAWAY above all,
// and the Conn is closed when the peer has closed its end, or after farewell: TCP would drop
// what is under way if it were closed before everything is read.
func (s *Session) depart(end []func(error), err *status.Error, leave bool) {
	defer s.wg.Done()
	s.draining.Store(true)
	leave = s.out.close(leave)
	close(s.done)
	s.ended.Store(true)
	s.cfg.Log.Debug("session ended", "peer", s.peer.ID, "code", err.Code.String(), "reason", err.Message)
	if leave {
		s.linger()
	} else {
		s.hangUp()
	}
	for _, sink := range s.calls.close(err) {
		sink.Final(nil, err)
	}
	s.in.close(err)
	s.role.turn.Load().abandon(err)
	s.cfg.Gate.forget(s)
	s.pings.close()
	if s.mid.armed.Load() {
		s.cfg.Keeper.slow.strike(&s.mid.chore)
	}
	for _, f := range end {
		f(err)
	}
}

// settle notes why the session has ended and returns who is to be told; false if it had
// ended before. Wait has to wait for depart and for hangUp.
func (s *Session) settle(err *status.Error) (end []func(error), first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, false
	}
	s.err = err
	end, s.end = s.end, nil
	s.wg.Add(2)
	return end, true
}

// linger has the reader wait for the peer to hang up, for a while.
func (s *Session) linger() {
	s.recall()
	if s.role.state.Load() == roleCaller {
		s.interrupt.Interrupt() // its answer will not come
	}
	t := time.AfterFunc(farewell, s.hangUp)
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	if s.out.watch != nil {
		s.out.watch.Stop()
	}
	s.out.watch = t
}

// hangUp closes the Conn.
func (s *Session) hangUp() {
	s.hung.Do(func() {
		s.out.mu.Lock()
		s.out.dropLocked()
		s.out.mu.Unlock()
		s.conn.Close()
		s.wg.Done()
	})
}

// lost turns an error of the Conn into the reason for the end of the session.
func (s *Session) lost(op string, err error) *status.Error {
	if away := s.goneAwayReason(); away != nil {
		return away
	}
	if fe, ok := errors.AsType[*transport.FrameError](err); ok {
		return status.Errorf(status.Protocol, "%w", fe)
	}
	if errors.Is(err, io.EOF) {
		// Not wrapping io.EOF: that is the good end of streams and subscriptions.
		return &status.Error{Code: status.PeerGone, Message: "the other side went away", Err: io.ErrUnexpectedEOF}
	}
	return &status.Error{Code: status.PeerGone, Message: "the connection broke (" + op + ": " + err.Error() + ")", Err: err}
}

// closedError returns why the session ended, for an operation that found it so: what was
// not sent has certainly not taken effect.
func (s *Session) closedError() error {
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	e := *s.err
	e.Retry = status.RetrySafe
	return &e
}

func (s *Session) errIfDone() error {
	select {
	case <-s.done:
		return s.closedError()
	default:
		return nil
	}
}

func (s *Session) goneAwayReason() *status.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away
}

// goneAway is the error of calls begun after a GOAWAY.
func (s *Session) goneAway() error {
	if err := s.errIfDone(); err != nil {
		return err
	}
	return &status.Error{Code: status.Unavailable, Message: "the session is draining and takes no new calls"}
}

// ctxError returns the end of ctx as a status.
func ctxError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &status.Error{Code: status.DeadlineExceeded, Message: "the time was up", Err: ctx.Err()}
	}
	return &status.Error{Code: status.Cancelled, Message: "the caller gave up", Err: context.Cause(ctx)}
}

// Drain lets what is under way end and refuses new calls in both directions, then closes
// the session. At the end of ctx it closes at once and returns how many calls were cut.
func (s *Session) Drain(ctx context.Context) (cut int, err error) {
	s.GoAway()
	handOff(ctx)
	s.role.turn.Load().handOff() // a handler that runs there counts as open from now on
	for _, idle := range []<-chan struct{}{s.in.whenIdle(), s.calls.whenIdle()} {
		select {
		case <-idle:
		case <-s.done:
			return 0, nil
		case <-ctx.Done():
			cut = s.in.open() + int(s.calls.pending.Load())
			s.Close()
			return cut, ctxError(ctx)
		}
	}
	err = s.Flush(ctx)
	s.Close()
	return 0, err
}

// GoAway tells the peer that the session will end, once: from now on new calls are refused in
// both directions. Drain does so, too.
func (s *Session) GoAway() {
	if s.draining.Swap(true) {
		return
	}
	s.control(wire.Header{Kind: wire.KindGoaway}, appendStatus(nil, &status.Error{Code: status.Unavailable, Message: "the other side is shutting down"}))
}

// Stats are counts of a session since it began.
type Stats struct {
	Sent, Received, Dropped uint64 // frames; a message that was sent in several is one
	SentBytes, RecvBytes    uint64 // with headers, as they are before a transport adds its own
	Pending, Inbound        int    // calls begun here and by the peer that have no answer yet
	Queued                  int    // bytes in the outbox
}

// Inbound returns how many calls of the peer have no answer yet. It takes no lock.
func (s *Session) Inbound() int { return s.in.open() }

// Stats returns the session's counts.
func (s *Session) Stats() Stats {
	s.out.mu.Lock()
	queued, sent, bytes := s.out.sizeLocked(), s.out.frames, s.out.bytes
	s.out.mu.Unlock()
	return Stats{
		Sent: sent, Received: s.received.Load(), Dropped: s.dropped.Load(),
		SentBytes: bytes, RecvBytes: s.receivedBytes.Load(),
		Pending: int(s.calls.pending.Load()), Inbound: s.in.open(), Queued: queued,
	}
}

// NewInstance returns a Config.Instance: 128 random bits in hex, that nobody can guess.
func NewInstance() string { return randomHex(16) }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// appendStatus appends the wire form of an error.
func appendStatus(dst []byte, e *status.Error) []byte {
	msg := e.Message
	if e.Err != nil && msg == "" {
		msg = e.Err.Error()
	}
	details := e.Details
	if len(details) > maxDetails {
		details = nil
	}
	return wire.AppendStatus(dst, wire.Status{
		Code: uint16(e.Code), Retry: uint8(e.Retry), Message: []byte(shorten(msg)), Details: details,
	})
}

// What a status carries at most: it fits in one frame.
const (
	maxMessage = 4 << 10
	maxDetails = 56 << 10
)

// shorten cuts a message, between two characters.
func shorten(msg string) string {
	if len(msg) <= maxMessage {
		return msg
	}
	n := maxMessage
	for n > 0 && !utf8.RuneStart(msg[n]) {
		n--
	}
	return msg[:n]
}

// parseStatus returns what the peer said, never nil; a malformed status is a Protocol one.
func parseStatus(p []byte) *status.Error {
	ws, err := wire.ParseStatus(p)
	if err != nil {
		return &status.Error{Code: status.Protocol, Message: "the peer sent a malformed status", Remote: true}
	}
	e := &status.Error{Code: status.Code(ws.Code), Message: string(ws.Message), Retry: status.Retry(min(ws.Retry, 2)), Remote: true}
	if len(ws.Details) > 0 {
		e.Details = append([]byte(nil), ws.Details...)
	}
	if e.Code == status.OK {
		e.Code = status.Failed
	}
	if e.Message == "" {
		e.Message = "the other side gave no reason"
	}
	return e
}

// Transcript returns the hash over both HELLOs and the channel binding that the proofs of the
// handshake were made over. Both ends of a connection have the same, no other connection
// has it: proofs of something else can be bound to the connection by it, too.
func (s *Session) Transcript() [32]byte { return s.transcript }
