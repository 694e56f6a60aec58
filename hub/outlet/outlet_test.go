// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// receiver is a Sender that takes so many messages and fails at some.
type receiver struct {
	room  int           // messages it still takes
	fail  map[int]error // by number
	got   []int         // numbers, and minus how many are missing
	calls int
}

func number(payload []byte) int { return int(binary.LittleEndian.Uint32(payload)) }

func (r *receiver) take(n int) (bool, error) {
	if err := r.fail[n]; err != nil {
		return false, err
	}
	if r.room == 0 {
		return false, nil
	}
	r.room--
	r.got = append(r.got, n)
	return true, nil
}

func (r *receiver) Try(m session.Message, _ *session.Route) (bool, error) {
	r.calls++
	if m.Codec == gapCodec {
		r.got = append(r.got, -number(m.Payload))
		return true, nil
	}
	return r.take(number(m.Payload))
}

func (r *receiver) TryRun(run session.Run, _ uint64, _ *session.Route) (n int, err error) {
	r.calls++
	for range run.Len() {
		head := run
		if run.Len() > 1 {
			head, run = run.Split(1)
		}
		ok, err := r.take(number(head.Payload()))
		if !ok {
			return n, err
		}
		n++
	}
	return n, nil
}

const gapCodec = 99

func gapped(n uint64) session.Message {
	return session.Message{Codec: gapCodec, Payload: binary.LittleEndian.AppendUint32(nil, uint32(n))}
}

// runOf returns the messages first … last as they come in, together.
func runOf(t *testing.T, first, last, size int) session.Run {
	t.Helper()
	var b []byte
	for n := first; n <= last; n++ {
		payload := make([]byte, size)
		binary.LittleEndian.PutUint32(payload, uint32(n))
		b = wire.AppendFrame(b, wire.Header{Kind: wire.KindPublish, Flags: wire.FlagOneWay, Route: 1, Sequence: uint64(n)}, nil, payload)
	}
	run, err := session.RunOf(transport.WrapBuffer(b))
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func want(t *testing.T, r *receiver, numbers ...int) {
	t.Helper()
	if len(r.got) != len(numbers) {
		t.Fatalf("received %v, want %v", r.got, numbers)
	}
	for i, n := range numbers {
		if r.got[i] != n {
			t.Fatalf("received %v, want %v", r.got, numbers)
		}
	}
}

func balance(t *testing.T, tally *deadletter.Tally) {
	t.Helper()
	drops := map[string]uint64{}
	tally.Report("", drops)
	sum := tally.Delivered.Load() + uint64(tally.Queued.Load())
	for _, n := range drops {
		sum += n
	}
	if sum != tally.Offered.Load() {
		t.Fatalf("offered %d, accounted for %d: delivered %d, queued %d, dropped %v",
			tally.Offered.Load(), sum, tally.Delivered.Load(), tally.Queued.Load(), drops)
	}
}

func open(r *receiver, limit, bytes int, policy string) (*Outlet, *deadletter.Tally) {
	tally := new(deadletter.Tally)
	return New(Config{To: r, Tally: tally, Limit: limit, Bytes: bytes, Policy: policy, Gapped: gapped, Ready: true}), tally
}

func push(o *Outlet, run session.Run) Verdict {
	p := OfRun(run, 7)
	defer p.Done()
	v, _ := o.Push(&p, nil)
	return v
}

// What came together goes on together, as far as the receiver takes it; the rest waits.
func TestRunIsCut(t *testing.T) {
	r := &receiver{room: 3}
	o, tally := open(r, 100, 1<<20, operation.DropOldest)
	if v := push(o, runOf(t, 1, 5, 8)); v != Delivered || r.calls != 1 {
		t.Fatalf("verdict %d after %d calls", v, r.calls)
	}
	want(t, r, 1, 2, 3)
	if v := push(o, runOf(t, 6, 7, 8)); v != Queued || r.calls != 1 {
		t.Fatalf("verdict %d after %d calls: the receiver is blocked", v, r.calls)
	}
	balance(t, tally)
	r.room = 3
	o.Pump()
	want(t, r, 1, 2, 3, 4, 5, 6)
	if o.Idle() {
		t.Fatal("7 waits")
	}
	r.room = 100
	o.Pump()
	want(t, r, 1, 2, 3, 4, 5, 6, 7)
	balance(t, tally)
	if !o.Idle() || tally.Queued.Load() != 0 {
		t.Fatalf("%d wait", tally.Queued.Load())
	}
}

// The policies cut a run where the place ends, and the gap is told where it is.
func TestPoliciesCutRuns(t *testing.T) {
	for policy, numbers := range map[string][]int{
		operation.DropOldest: {-3, 4, 5, 6, 7, 8},
		operation.DropNewest: {1, 2, 3, 4, 5, -3},
	} {
		r := &receiver{}
		o, tally := open(r, 5, 1<<20, policy)
		push(o, runOf(t, 1, 4, 8))
		push(o, runOf(t, 5, 8, 8))
		balance(t, tally)
		r.room = 100
		o.Pump()
		want(t, r, numbers...)
		balance(t, tally)
	}
	r := &receiver{}
	o, tally := open(r, 5, 1<<20, operation.Disconnect)
	push(o, runOf(t, 1, 4, 8))
	if v := push(o, runOf(t, 5, 8, 8)); v != Overflown {
		t.Fatalf("verdict %d", v)
	}
	balance(t, tally)
	o.Close()
	balance(t, tally)
	if v := push(o, runOf(t, 9, 9, 8)); v != Gone {
		t.Fatalf("verdict %d", v)
	}
}

// One message that the receiver cannot take is missing, the others of its run are not; the
// end of the receiver drops all that is left.
func TestRunWithABadMessage(t *testing.T) {
	r := &receiver{room: 100, fail: map[int]error{2: status.TooLarge, 6: errors.New("the session has ended")}}
	o, tally := open(r, 100, 1<<20, operation.DropOldest)
	push(o, runOf(t, 1, 4, 8))
	want(t, r, 1, -1, 3, 4)
	balance(t, tally)
	push(o, runOf(t, 5, 9, 8))
	want(t, r, 1, -1, 3, 4, 5)
	balance(t, tally)
	drops := map[string]uint64{}
	tally.Report("", drops)
	if drops["too_large"] != 1 || drops["closed"] != 4 || tally.Queued.Load() != 0 {
		t.Fatalf("dropped %v, %d wait", drops, tally.Queued.Load())
	}
}

// A small rest of many messages that came together does not keep the memory of all.
func TestRestKeepsLittle(t *testing.T) {
	r := &receiver{}
	o, tally := open(r, 2, 1<<20, operation.DropNewest)
	run := runOf(t, 1, 500, 100)
	push(o, run)
	w, _, _ := o.queue.Peek()
	if w.Len() != 2 || w.k.run.Size() > run.Size()/4 {
		t.Fatalf("%d messages wait in %d bytes", w.Len(), w.k.run.Size())
	}
	r.room = 100
	o.Pump()
	want(t, r, 1, 2, -498)
	balance(t, tally)
}

// Many outlets share one copy of what waits, which goes when the last has sent it.
func TestSharedKept(t *testing.T) {
	a, b := &receiver{}, &receiver{}
	oa, _ := open(a, 10, 1<<20, operation.DropOldest)
	ob, _ := open(b, 10, 1<<20, operation.DropOldest)
	p := OfRun(runOf(t, 1, 3, 8), 7)
	_, _ = oa.Push(&p, nil)
	_, _ = ob.Push(&p, nil)
	k := p.kept
	p.Done()
	if n := k.refs.Load(); n != 2 {
		t.Fatalf("%d references", n)
	}
	a.room, b.room = 2, 9
	oa.Pump()
	ob.Pump()
	if n := k.refs.Load(); n != 1 {
		t.Fatalf("%d references", n)
	}
	oa.Close()
	if n := k.refs.Load(); n != 0 {
		t.Fatalf("%d references", n)
	}
	want(t, a, 1, 2)
	want(t, b, 1, 2, 3)
}

// Single messages and runs keep their order in one queue.
func TestMixed(t *testing.T) {
	r := &receiver{room: 1}
	o, tally := open(r, 100, 1<<20, operation.DropOldest)
	one := func(n int) {
		p := Of(session.Message{Payload: binary.LittleEndian.AppendUint32(nil, uint32(n))})
		defer p.Done()
		_, _ = o.Push(&p, nil)
	}
	one(1)
	one(2)
	push(o, runOf(t, 3, 5, 8))
	one(6)
	r.room = 3
	o.Pump()
	r.room = 3
	o.Pump()
	want(t, r, 1, 2, 3, 4, 5, 6)
	balance(t, tally)
}
