// SPDX-License-Identifier: Apache-2.0

//go:build !race

package session_test

import (
	"runtime"
	"testing"

	"github.com/plexus-ipc/plexus/session"
)

// A session that rests holds no payload that it has carried, whichever way, and no buffer.
func TestRestHoldsNothing(t *testing.T) {
	const many, size = 12, 1 << 20
	heap := func() uint64 {
		var m runtime.MemStats
		for range 3 { // pools give up in two steps
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	payload := make([]byte, size)
	got := make(chan struct{}, 1)
	cfg := &session.Config{Router: methods{"echo": {call: echo}, "e": {receive: func(*session.Session, *session.Frame) { got <- struct{}{} }}}}
	var sessions []*session.Session
	before := heap()
	for range many {
		d, a := unix(t)
		ds, as := pair(t, d, a, cfg, cfg)
		for _, s := range []*session.Session{ds, as} {
			_, err := s.Route(method("echo")).Call(patience(t), session.Message{Payload: payload}, nil)
			must(t, err)
			for _, p := range [][]byte{payload, payload[:1000]} {
				must(t, s.Route(event("e")).Emit(patience(t), session.Message{Payload: p}))
				<-got
			}
			must(t, s.Ping(patience(t)))
		}
		sessions = append(sessions, ds, as)
	}
	if after := heap(); after > before+many*size/2 {
		t.Errorf("%d sessions at rest hold %d KiB each", len(sessions), (after-before)>>10/uint64(len(sessions)))
	}
	runtime.KeepAlive(sessions)
}

// A flush of nothing leaves no trace: what is sent after it leaves all the same (bug: the
// flusher counted as woken for it, and was not woken again).
func TestFlushOfNothing(t *testing.T) {
	d, a := unix(t)
	got := make(chan struct{}, 10)
	router := methods{"e": {receive: func(*session.Session, *session.Frame) { got <- struct{}{} }}}
	ds, _ := pair(t, d, a, &session.Config{}, &session.Config{Router: router})
	e := ds.Route(event("e"))
	must(t, e.Emit(patience(t), session.Message{}))
	<-got
	for range 3 {
		must(t, ds.Flush(patience(t)))
		ds.FlushLater()
		for range 100_000 {
			runtime.Gosched() // the flusher comes and goes
		}
		must(t, e.Emit(patience(t), session.Message{}))
		select {
		case <-got:
		case <-patience(t).Done():
			t.Fatal("the event has never left")
		}
	}
}
