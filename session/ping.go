// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/binary"
	"sync"

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
	s.beats.Add(1)
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
