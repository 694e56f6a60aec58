// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
	"github.com/plexus-ipc/plexus/wire"
)

// FuzzSession sends a program of frames to a live session that itself has a call, a stream
// and an event under way: it ends with a status, or answers a PING afterwards.
//
// A program is a list of: kind, flags, id (see fuzzID), route, shape or code, length of the
// payload in bytes, or in units of 8 KiB if the high bit is set; then up to 16 bytes of payload.
func FuzzSession(f *testing.F) {
	f.Fuzz(func(t *testing.T, program []byte) {
		cfg := small()
		cfg.MaxMessage = 300 << 10
		peer := rawPeer
		if len(program)%2 == 1 {
			peer = rawTogether
		}
		s, r := peer(t, generous, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), patienceTime)
		defer cancel()
		go s.Route(method("m")).Call(ctx, session.Message{Payload: make([]byte, 100)}, nil)
		if x, err := s.Route(method("m")).Open(ctx, wire.Duplex, session.Message{}); err == nil {
			go func() {
				for err == nil {
					_, err = x.Recv(ctx, nil)
				}
			}()
		}
		go s.Route(event("e")).Emit(ctx, session.Message{})
		alive := make(chan struct{})
		gone := make(chan struct{})
		go watch(r, alive, gone)
		runProgram(r, program)
		r.c.Send(wire.AppendFrame(nil, wire.Header{Kind: wire.KindPing}, nil, []byte("the end")))
		select {
		case <-alive:
		case <-s.Done():
			if !typed(s.Err()) {
				t.Errorf("the session ended with %v", s.Err())
			}
		case <-ctx.Done():
			t.Fatal("the session hangs")
		}
		s.Close()
		r.c.Close()
		<-gone
		s.Wait()
	})
}

// watch reads until the end, and tells when the last PING is answered.
func watch(r *raw, alive, gone chan struct{}) {
	defer close(gone)
	for {
		h, payload, err := r.recv()
		if err != nil {
			return
		}
		if h.Kind == wire.KindPong && string(payload) == "the end" {
			close(alive)
			alive = make(chan struct{})
		}
	}
}

func runProgram(r *raw, program []byte) {
	for frames := 0; len(program) >= 6 && frames < 500; frames++ {
		op := program[:6]
		program = program[6:]
		h := wire.Header{
			Kind: wire.Kind(op[0] % 24), Flags: wire.Flags(op[1]), ID: fuzzID(op[2]), Route: uint32(op[3] % 16),
			Bits: wire.MakeBits(0, wire.Shape(op[4]), false), Codec: op[4], Sequence: uint64(op[3]),
		}
		n := int(op[5])
		if op[5]&0x80 != 0 {
			n = int(op[5]&7+1) << 13
		}
		payload := make([]byte, n)
		program = program[copy(payload, program[:min(len(program), 16)]):]
		frame := wire.AppendFrame(nil, h, nil, payload)
		if op[1]&0x40 != 0 {
			frame[7] = op[4] // extensions, perhaps more than there are
		}
		if op[1]&0x80 != 0 && len(frame) > 48 {
			binary.LittleEndian.PutUint32(frame, uint32(len(frame)-8))
			frame = frame[:len(frame)-8]
		}
		if r.c.Send(frame) != nil {
			return
		}
	}
}

// fuzzID makes ids of few slots of both sides, in few generations.
func fuzzID(b byte) uint32 {
	return uint32(b>>6)<<19 | uint32(b>>1&0xf)<<1 | uint32(b&1)
}

// FuzzHandshake sends bytes to an accepting and to a dialling session before they know whom
// they talk to: both end within their time, with a status or with a session.
func FuzzHandshake(f *testing.F) {
	f.Fuzz(func(t *testing.T, dialler bool, sent []byte) {
		d, a := mem.Pipe()
		go func() {
			d.Send(sent)
			for b, err := d.Recv(); err == nil; b, err = d.Recv() {
				b.Release()
			}
		}()
		cfg := &session.Config{HandshakeTimeout: 50 * time.Millisecond, Router: echoing}
		var s *session.Session
		var err error
		stop := time.AfterFunc(5*time.Millisecond, func() { d.Cut() }) // nothing more will come
		defer stop.Stop()
		if dialler {
			s, err = session.Dial(context.Background(), a, cfg)
		} else {
			s, err = session.Accept(context.Background(), a, cfg)
		}
		if err != nil && !typed(err) {
			t.Error(err)
		}
		d.Close()
		if s != nil {
			s.Close()
			s.Wait()
		}
	})
}

// typed reports whether an error has a code and a sentence.
func typed(err error) bool {
	var e *status.Error
	return errors.As(err, &e) && e.Message != ""
}
