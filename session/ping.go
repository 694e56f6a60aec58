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
	wait   map[uint64]pong
	closed bool
}

// pong is who waits for one.
type pong struct {
	ch    chan struct{} // closed when it comes, or the session ends; nil if
	route *Route        // this one is told
}

// Ping returns when the peer has answered, which it does after it has read everything
// sent before.
func (s *Session) Ping(ctx context.Context) error {
	ch := make(chan struct{})
	token := s.pings.add(pong{ch: ch})
	if token == 0 {
		return s.closedError()
	}
	s.control(wire.Header{Kind: wire.KindPing}, binary.LittleEndian.AppendUint64(nil, token))
	s.recall()
	handOff(ctx)
	select {
	case <-ch:
		return s.errIfDone()
	case <-ctx.Done():
		s.pings.forget(token)
		return ctxError(ctx)
	}
}

// add returns the token of a PING, 0 if the session has ended.
func (p *pings) add(who pong) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0
	}
	if p.wait == nil {
		p.wait = make(map[uint64]pong)
	}
	p.next++
	p.wait[p.next] = who
	return p.next
}

// forget says that nobody waits for a PONG any more.
func (p *pings) forget(token uint64) { p.take(token) }

func (p *pings) take(token uint64) pong {
	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.wait[token]
	delete(p.wait, token)
	return who
}

// answered tells who waits for a PONG. Others, such as those of heartbeats, are ignored.
func (s *Session) answered(payload []byte) {
	if len(payload) != 8 {
		return
	}
	token := binary.LittleEndian.Uint64(payload)
	who := s.pings.take(token)
	if who.ch != nil {
		close(who.ch)
	}
	if who.route != nil {
		s.confirm(who.route, token)
	}
}

func (p *pings) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for token, who := range p.wait {
		delete(p.wait, token)
		if who.ch != nil {
			close(who.ch)
		}
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

	mu    sync.Mutex
	timer *time.Timer
}

// startHeart begins heartbeats; a session's end stops them.
func (s *Session) startHeart(every time.Duration) {
	h := &heart{s: s, every: every}
	h.mu.Lock()
	h.timer = time.AfterFunc(every, h.beat)
	h.mu.Unlock()
	s.OnEnd(func(error) { h.stop() })
}

func (h *heart) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Stop()
}

// beat runs once per period, never twice at a time.
func (h *heart) beat() {
	s := h.s
	if s.hasEnded() {
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
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer.Reset(h.every)
}
