// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/wire"
)

func TestFlow(t *testing.T) {
	frame := func(n int, flags wire.Flags) *session.Frame {
		f := &session.Frame{Payload: make([]byte, n)}
		f.Flags = flags
		return f
	}
	w := Flow{Granted: wire.MessageCost + 10, Limit: 1}
	if !w.Take(frame(10, 0)) || w.Take(frame(0, 0)) {
		t.Fatal("the credit is not kept")
	}
	if w.Passes(frame(10, 0), false) || !w.MayPass() {
		t.Fatal("it passes although the way is not open")
	}
	if w.Passes(frame(0, wire.FlagEnd), true) {
		t.Fatal("it overtakes")
	}
	if f := w.Pop(); len(f.Payload) != 10 || w.sent != wire.MessageCost+10 {
		t.Fatal(len(f.Payload), w.sent)
	}
	if !w.MayPass() {
		t.Fatal("an end needs credit")
	}
	w.Pop()
	if w.Passes(frame(1, 0), true) {
		t.Fatal("it passes without credit")
	}
	if !w.Take(frame(0, wire.FlagEnd)) || !w.Ended {
		t.Fatal("the end is not taken")
	}
	w.Limit = 1000
	if !w.MayPass() {
		t.Fatal("it waits although there is credit")
	}
}

func TestRarely(t *testing.T) {
	var r Rarely
	at := time.Unix(100, 0)
	for i, c := range []struct {
		after time.Duration
		held  int
		ok    bool
	}{{0, 0, true}, {1, 0, false}, {time.Second - 1, 0, false}, {time.Second, 2, true}, {3 * time.Second, 0, true}} {
		if held, ok := r.Line(at.Add(c.after)); held != c.held || ok != c.ok {
			t.Errorf("%d: %d, %v", i, held, ok)
		}
	}
}
