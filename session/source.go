// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"

	"github.com/plexus-ipc/plexus/wire"
)

// maxSources bounds the tables of sources: one that is full is emptied, and sources are
// introduced anew.
const maxSources = 64 << 10

// sources maps the numbers in the source field to member ids.
type sources struct {
	mu    sync.Mutex
	names map[uint64]string // that the peer has introduced

	last uint64 // guarded by out.mu, like told
	told map[uint64]struct{}
}

// learn takes a SOURCE frame.
func (t *sources) learn(n uint64, payload []byte) error {
	src, err := wire.ParseSource(payload)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil || len(t.names) >= maxSources {
		t.names = make(map[uint64]string)
	}
	t.names[n] = src.Member
	return nil
}

// SourceName returns the member id that a source number stands for: the peer's own for 0,
// "" for one that was never introduced.
func (s *Session) SourceName(n uint64) string {
	if n == 0 {
		return s.peer.ID
	}
	s.sources.mu.Lock()
	defer s.sources.mu.Unlock()
	return s.sources.names[n]
}

// introduceLocked appends a SOURCE frame before the first message of a source.
func (s *Session) introduceLocked(n uint64) {
	t := &s.sources
	if n == t.last || s.cfg.SourceName == nil {
		return
	}
	t.last = n
	if _, ok := t.told[n]; ok {
		return
	}
	if t.told == nil || len(t.told) >= maxSources {
		t.told = make(map[uint64]struct{})
	}
	t.told[n] = struct{}{}
	name := s.cfg.SourceName(n)
	s.appendLocked(wire.Header{Kind: wire.KindSource, Source: n}, nil, wire.AppendSource(nil, wire.Source{Member: name}))
}
