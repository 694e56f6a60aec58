// SPDX-License-Identifier: Apache-2.0

package once

import (
	"fmt"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

var (
	limits = Limits{Calls: 8, SenderCalls: 4, Bytes: 8 << 10, SenderBytes: 4 << 10, Age: time.Minute}
	start  = time.Unix(1_000_000, 0)
)

// at is a moment of the test.
func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// ask is a call of a sender.
func ask(sender string, seq uint64, again bool, age time.Duration) Ask {
	return Ask{Caller: Caller{Sender: sender, Key: [16]byte{1}}, Sequence: seq, Again: again, Age: age}
}

// expect begins a call and checks the verdict.
func expect(t *testing.T, w *Window[string], a Ask, now time.Time, want Verdict) *Entry[string] {
	t.Helper()
	e, v := w.Begin(a, now)
	if v != want {
		t.Fatalf("%+v: verdict %d, want %d", a, v, want)
	}
	if (e == nil) != (want == Unknown || want == Full) {
		t.Fatalf("%+v: entry %v", a, e)
	}
	return e
}

// A copy of a call joins it while it runs, and gets its answer later; another sender, or
// another key, is another call.
func TestSecondCopy(t *testing.T) {
	w := New[string](limits)
	e := expect(t, w, ask("a", 1, false, 0), at(0), Fresh)
	if again := expect(t, w, ask("a", 1, true, time.Second), at(1), Running); again != e {
		t.Error("another entry")
	}
	expect(t, w, ask("b", 1, true, time.Second), at(1), Fresh)
	other := ask("a", 1, true, time.Second)
	other.Caller.Key[0]++
	expect(t, w, other, at(1), Fresh)
	e.Answer = "yes"
	w.Finish(e, 3, at(2))
	if again := expect(t, w, ask("a", 1, true, 2*time.Second), at(3), Done); again.Answer != "yes" {
		t.Error(again.Answer)
	}
	if c := w.Counts(); c.Answered != 1 || c.Joined != 1 || c.Kept != 3 || c.KeptBytes != 3*overhead+3 {
		t.Errorf("%+v", c)
	}
}

// What the caller has the answer to is forgotten; a stray copy of it is not executed.
func TestFloor(t *testing.T) {
	w := New[string](limits)
	for seq := uint64(1); seq <= 3; seq++ {
		w.Finish(expect(t, w, ask("a", seq, false, 0), at(0), Fresh), 0, at(0))
	}
	slow := expect(t, w, ask("a", 4, false, 0), at(0), Fresh)
	a := ask("a", 6, false, 0)
	a.Floor = 6
	expect(t, w, a, at(0), Fresh)
	if c := w.Counts(); c.Kept != 2 || c.Evicted != 0 {
		t.Errorf("%+v", c)
	}
	w.Finish(slow, 10, at(1)) // given up by its caller
	if c := w.Counts(); c.Kept != 1 {
		t.Errorf("%+v", c)
	}
	expect(t, w, ask("a", 3, true, time.Second), at(1), Unknown)
	huge := ask("a", 1<<63, false, 0)
	huge.Floor = 1 << 63
	expect(t, w, huge, at(1), Fresh) // takes no time
}

// Bounds: by count and bytes of one sender and of all. What was pushed out is known to be
// unknown, of that sender, and a first copy is always executed.
func TestBounds(t *testing.T) {
	w := New[string](limits)
	for seq := uint64(1); seq <= 5; seq++ {
		w.Finish(expect(t, w, ask("a", seq, false, 0), at(int(seq)), Fresh), 1, at(int(seq)))
	}
	expect(t, w, ask("a", 1, true, 5*time.Second), at(6), Unknown)
	expect(t, w, ask("a", 2, true, 4*time.Second), at(6), Done)
	expect(t, w, ask("b", 1, true, 5*time.Second), at(6), Fresh)
	expect(t, w, ask("a", 9, true, 0), at(6), Fresh) // it came after the last that was pushed out
	big := expect(t, w, ask("c", 1, false, 0), at(7), Fresh)
	w.Finish(big, limits.SenderBytes, at(7))
	expect(t, w, ask("c", 1, true, time.Second), at(8), Unknown)
	if c := w.Counts(); c.Evicted == 0 || c.Unknown != 2 {
		t.Errorf("%+v", c)
	}

	w = New[string](limits)
	for i := range 20 {
		e := expect(t, w, ask(fmt.Sprint(i), 1, false, 0), at(i), Fresh)
		w.Finish(e, 2000, at(i))
		if c := w.Counts(); c.Kept > limits.Calls || c.KeptBytes > limits.Bytes || len(w.lanes) != c.Kept || len(w.senders) != c.Kept {
			t.Fatalf("%+v, %d lanes, %d senders", c, len(w.lanes), len(w.senders))
		}
	}
	expect(t, w, ask("0", 1, true, 20*time.Second), at(20), Unknown) // of whom nothing is known any more
	expect(t, w, ask("19", 1, true, time.Second), at(20), Done)
}

// Calls that are being executed are never pushed out: the next is refused.
func TestFull(t *testing.T) {
	w := New[string](limits)
	var all []*Entry[string]
	for seq := uint64(1); seq <= 4; seq++ {
		all = append(all, expect(t, w, ask("a", seq, false, 0), at(0), Fresh))
	}
	expect(t, w, ask("a", 5, false, 0), at(0), Full)
	expect(t, w, ask("b", 5, false, 0), at(0), Fresh)
	w.Forget(all[0])
	w.Forget(all[0])
	expect(t, w, ask("a", 5, false, 0), at(0), Fresh)
}

// Answers are kept for their time, and whoever asks later is told so.
func TestAge(t *testing.T) {
	w := New[string](limits)
	w.Finish(expect(t, w, ask("a", 1, false, 0), at(0), Fresh), 1, at(10))
	if next := w.Expire(at(11)); !next.Equal(at(70)) {
		t.Error(next)
	}
	expect(t, w, ask("a", 1, true, 69*time.Second), at(69), Done)
	if next := w.Expire(at(70)); !next.IsZero() || len(w.lanes)+len(w.senders) != 0 || w.Counts().KeptBytes != 0 {
		t.Errorf("%v, %+v", next, w)
	}
	expect(t, w, ask("a", 1, true, 70*time.Second), at(70), Unknown)
	if c := w.Counts(); c.Expired != 1 || c.Evicted != 0 {
		t.Errorf("%+v", c)
	}
}

// FuzzWindow runs programs of calls, answers and time: the bounds hold, the books are right,
// and no call that was executed is fresh again as a second copy of the right age.
func FuzzWindow(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 64, 1, 128, 9, 0, 1})
	f.Add([]byte("a longer program of calls, answers and time"))
	f.Fuzz(func(t *testing.T, program []byte) {
		w := New[string](limits)
		now := start
		ran := make(map[Caller]map[uint64]time.Time)
		promised := make(map[Caller]uint64) // below it the caller has said to send nothing again
		var open []*Entry[string]
		for len(program) >= 2 {
			op, arg := program[0], program[1]
			program = program[2:]
			switch op >> 6 {
			case 0, 1:
				c := Caller{Sender: string('a' + rune(arg>>6)), Key: [16]byte{op & 1}}
				seq := uint64(arg&15) + 1
				first, was := ran[c][seq]
				a := Ask{Caller: c, Sequence: seq, Floor: min(seq, uint64(op>>1&7)), Again: was}
				if was {
					a.Age = now.Sub(first)
				}
				e, v := w.Begin(a, now)
				promised[c] = max(promised[c], a.Floor)
				if v == Fresh {
					if was && seq >= promised[c] {
						t.Fatalf("executed twice: %+v", a)
					}
					if ran[c] == nil {
						ran[c] = make(map[uint64]time.Time)
					}
					ran[c][seq] = now
					open = append(open, e)
				}
			case 2:
				if len(open) > 0 {
					i := int(arg) % len(open)
					w.Finish(open[i], int(op&63)*128, now)
					open = append(open[:i], open[i+1:]...)
				}
			case 3:
				now = now.Add(time.Duration(arg) * time.Second / 4)
			}
			c := w.Counts()
			if c.Kept > limits.Calls || c.KeptBytes > limits.Bytes || c.Kept < len(open) {
				t.Fatalf("%+v with %d open", c, len(open))
			}
		}
		for _, e := range open {
			w.Forget(e)
		}
		w.Expire(now.Add(limits.Age))
		if c := w.Counts(); c.Kept != 0 || c.KeptBytes != 0 || len(w.lanes)+len(w.senders)+w.done.Len() != 0 {
			t.Fatalf("%+v left", c)
		}
	})
}
