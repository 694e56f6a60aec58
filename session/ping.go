// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// pings are the PINGs that wait for their PONG.
type pings struct {
	mu     sync.Mutex
	next   uint64
	wait   map[uint64]chan struct{}
	closed bool
}

// Ping returns when the peer has answered, which it does after it has read everything
// sent before.
func (s *Session) Ping(ctx context.Context) error {
	token, ch := s.pings.add()
	if ch == nil {
		return s.closedError()
	}
	s.control(wire.Header{Kind: wire.KindPing}, binary.LittleEndian.AppendUint64(nil, token))
	handOff(ctx)
	select {
	case <-ch:
		return s.errIfDone()
	case <-ctx.Done():
		s.pings.take(token)
		return ctxError(ctx)
	}
}

func (p *pings) add() (uint64, chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, nil
	}
	if p.wait == nil {
		p.wait = make(map[uint64]chan struct{})
	}
	p.next++
	ch := make(chan struct{})
	p.wait[p.next] = ch
	return p.next, ch
}

func (p *pings) take(token uint64) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	ch := p.wait[token]
	delete(p.wait, token)
	return ch
}

// answered wakes who waits for a token. Others, such as heartbeats', are ignored.
func (p *pings) answered(payload []byte) {
	if len(payload) != 8 {
		return
	}
	if ch := p.take(binary.LittleEndian.Uint64(payload)); ch != nil {
		close(ch)
	}
}

func (p *pings) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for token, ch := range p.wait {
		delete(p.wait, token)
		close(ch)
	}
}

// heart pings the peer after a period of silence and ends the session after three more
// without any sign of life. A period is judged only after a ping of its own went out, so
// a process that was stopped itself asks again before it judges.
type heart struct {
	s      *Session
	every  time.Duration
	seen   uint64
	silent int
	timer  *time.Timer
}

// startHeart begins heartbeats; a session's end stops them.
func (s *Session) startHeart(every time.Duration) {
	h := &heart{s: s, every: every}
	h.timer = time.AfterFunc(every, h.beat)
	s.OnEnd(func(error) { h.timer.Stop() })
}

// beat runs once per period, never twice at a time.
func (h *heart) beat() {
	s := h.s
	if s.errIfDone() != nil {
		return
	}
	if now := s.received.Load(); now != h.seen {
		h.seen, h.silent = now, 0
	} else if h.silent++; h.silent > 3 {
		s.fail(status.Errorf(status.PeerGone, "no sign of life from the peer for %v", time.Duration(h.silent)*h.every))
		return
	} else {
		s.control(wire.Header{Kind: wire.KindPing}, make([]byte, 8))
	}
	h.timer.Reset(h.every)
}
