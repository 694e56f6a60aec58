// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// shelf is a store in memory.
type shelf struct {
	mu   sync.Mutex
	last uint64
	all  []deadletter.Record
	err  error
	busy chan struct{} // if not nil, Append waits until it is closed
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *shelf) Append(records []*deadletter.Record) error {
	if s.busy != nil {
		<-s.busy
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	for _, r := range records {
		if r.ID == 0 {
			s.last++
			r.ID = s.last
			s.all = append(s.all, *r)
		} else if i := slices.IndexFunc(s.all, func(o deadletter.Record) bool { return o.ID == r.ID }); i >= 0 {
			s.all[i] = *r
		}
	}
	return nil
}

func (s *shelf) Scan(after uint64, f func(*deadletter.Record) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.all {
		if s.all[i].ID > after && !f(&s.all[i]) {
			break
		}
	}
	return nil
}

func (s *shelf) Remove(ids []uint64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.all)
	s.all = slices.DeleteFunc(s.all, func(r deadletter.Record) bool { return slices.Contains(ids, r.ID) })
	return before - len(s.all), nil
}

// letterHub is a hub that keeps what the rules say.
func letterHub(t *testing.T, s deadletter.Store, cfg hub.Config, rules ...string) *hubtest.Hub {
	t.Helper()
	cfg.DeadLetters.Store = s
	cfg.Rights.Administrators = []string{"*"}
	for _, text := range rules {
		r, err := deadletter.ParseRule(text)
		must(t, err)
		cfg.DeadLetters.Rules = append(cfg.DeadLetters.Rules, r)
	}
	return hubtest.New(t, &hubtest.Options{Hub: cfg})
}

// letters returns what the hub tells of its dead letters.
func letters(t *testing.T, m *hubtest.Member) operation.DeadLetterList {
	t.Helper()
	l, err := m.Channel("").DeadLetters(t.Context(), operation.DeadLetterQuery{Limit: 1000})
	must(t, err)
	return l
}

// What a slow subscriber misses is kept, byte for byte, with all that is known of it; a replay
// delivers it once, and to nobody else. Published = delivered + dead letters.
func TestDeadLettersOfSlowSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		h := letterHub(t, s, hub.Config{DefaultQueue: 10}, "ch/t=queue_full")
		p, slow, other := h.Join("p"), h.Join("slow"), h.Join("other")
		_, err := plexus.Declare(p.Channel("ch"), "t")
		must(t, err)
		fast, err := other.Channel("ch").Subscribe(t.Context(), "t", service.SubscribeOptions{Queue: 1000})
		must(t, err)
		sub, err := slow.Channel("ch").Subscribe(t.Context(), "t", service.SubscribeOptions{})
		must(t, err)
		slow.Stall()
		const n = 200
		for i := range n {
			must(t, plexus.Publish(t.Context(), p.Channel("ch"), "t", numbered(i, 20_000), plexus.WithHeader("n", fmt.Sprint(i))))
		}
		h.Quiet()
		slow.Resume()
		h.Quiet()
		seen := make(map[int]int)
		take := func(sub *service.Subscription, n int, f func(*service.Publication)) {
			for range n {
				got, err := sub.Recv(t.Context())
				must(t, err)
				f(&got)
			}
		}
		list := letters(t, p)
		dead := len(list.Letters)
		if dead == 0 || int(sub.Dropped()) > dead {
			t.Fatalf("%d dead letters", dead)
		}
		take(sub, n-dead, func(g *service.Publication) { seen[numberIn(g.Payload)]++ })
		take(fast, n, func(*service.Publication) {})
		l := list.Letters[0]
		if l.Channel != "ch" || l.Name != "t" || l.Kind != "publication" || l.Sender != "p" || l.Receiver != "slow" || l.Reason != "queue_full" || l.Attempts != 1 || l.Headers["n"] == "" {
			t.Fatalf("%+v", l)
		}
		if st := h.Stats().DeadLetters; st.Kept != uint64(dead) || len(st.Lost) != 0 {
			t.Fatalf("%+v", st)
		}
		for len(letters(t, p).Letters) > 0 {
			var out operation.DeadLetterReplayed
			var replaying sync.WaitGroup
			replaying.Go(func() {
				var err error
				if out, err = p.Channel("").ReplayDeadLetters(t.Context(), operation.DeadLetterReplay{DeadLetterFilter: operation.DeadLetterFilter{All: true}, Limit: 5}); err != nil {
					t.Error(err)
				}
			})
			k := min(5, len(s.all))
			take(sub, k, func(g *service.Publication) {
				seen[numberIn(g.Payload)]++
				if h := headers(g.Ext); h[operation.HeaderDeadLetter] != "2" || h[operation.HeaderDeadLetterSender] != "p" || h["n"] != fmt.Sprint(numberIn(g.Payload)) || len(g.Payload) != len(numbered(numberIn(g.Payload), 20_000)) {
					t.Errorf("%v", h)
				}
			})
			replaying.Wait()
			if out.Sent != k || len(out.Failed) > 0 {
				t.Fatalf("%+v", out)
			}
		}
		for i := range n {
			if seen[i] != 1 {
				t.Fatalf("publication %d was delivered %d times", i, seen[i])
			}
		}
		h.Quiet()
		if st := h.Stats().DeadLetters; st.Replayed != uint64(dead) || h.Status().Queued != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

func headers(ext []byte) map[string]string {
	all := make(map[string]string)
	for _, p := range session.Headers(ext) {
		all[p.Key] = p.Value
	}
	return all
}

// A receipt says of a publication that it is a dead letter once it is one, and never if the store
// has failed; the hub goes on.
func TestDeadLetterReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		h := letterHub(t, s, hub.Config{}, "ch/>")
		p := h.Join("p")
		for _, name := range []string{"t", "u"} {
			_, err := plexus.Declare(p.Channel("ch"), name)
			must(t, err)
		}
		publish := func(name string) operation.Receipt {
			var r operation.Receipt
			must(t, plexus.Publish(t.Context(), p.Channel("ch"), name, []byte("x"), service.WithReceipt(&r)))
			return r
		}
		if r := publish("t"); r.Matched != 0 || r.DeadLettered != 1 {
			t.Fatalf("%+v", r)
		}
		must(t, plexus.Publish(t.Context(), p.Channel("ch"), "u", []byte("y"))) // nobody waits for it
		// doom publishes to one who goes before he has taken it, which is in his session.
		doom := func(id string) operation.Receipt {
			doomed := h.Join(id)
			_, err := plexus.Subscribe[[]byte](t.Context(), doomed.Channel("ch"), "t")
			must(t, err)
			doomed.Stall()
			var r operation.Receipt
			told := false
			var publishing sync.WaitGroup
			publishing.Go(func() { r, told = publish("t"), true })
			synctest.Wait()
			s.busy = make(chan struct{})
			doomed.Cut()
			synctest.Wait()
			if told {
				t.Error("it is told before the disk has it")
			}
			close(s.busy)
			publishing.Wait()
			s.busy = nil
			return r
		}
		if r := doom("doomed"); r.Matched != 1 || r.Delivered != 0 || r.DeadLettered != 1 || len(r.Missed) != 1 || !r.Missed[0].DeadLettered || r.Missed[0].Reason != "closed" {
			t.Fatalf("%+v", r)
		}
		h.Quiet()
		var got []string
		for _, l := range letters(t, p).Letters {
			got = append(got, l.Name+" "+l.Receiver+" "+l.Reason)
		}
		if want := "[t  no_subscriber u  no_subscriber t doomed closed]"; fmt.Sprint(got) != want {
			t.Fatalf("%q, want %s", got, want)
		}
		s.fail(errors.New("no space left on device"))
		if r := publish("t"); r.DeadLettered != 0 {
			t.Fatalf("%+v", r)
		}
		if r := doom("lost"); r.Matched != 1 || r.DeadLettered != 0 || len(r.Missed) != 1 || r.Missed[0].DeadLettered || r.Missed[0].Reason != "closed" {
			t.Fatalf("%+v", r)
		}
		if st := h.Stats().DeadLetters; st.Kept != 3 || st.Lost["store"] != 2 {
			t.Fatalf("%+v", st)
		}
		s.fail(nil)
		if r := publish("t"); r.DeadLettered != 1 {
			t.Fatalf("%+v", r)
		}
	})
}

// What waits when the hub ends is kept before Drain returns.
func TestDeadLettersOfDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		h := letterHub(t, s, hub.Config{}, ">/>")
		p, c := h.Join("p"), h.Join("c")
		_, err := plexus.Declare(p.Channel("ch"), "t")
		must(t, err)
		_, err = plexus.Subscribe[[]byte](t.Context(), c.Channel("ch"), "t")
		must(t, err)
		c.Stall()
		const n = 300
		for i := range n {
			must(t, plexus.Publish(t.Context(), p.Channel("ch"), "t", numbered(i, 10_000)))
		}
		h.Quiet()
		queued := int(h.Status().Queued)
		if queued == 0 {
			t.Fatal("nothing waits")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = h.Drain(ctx)
		if len(s.all) != queued || s.all[0].Reason != operation.ReasonDrain || s.all[0].Receiver != "c" {
			t.Fatalf("%d letters, %d waited", len(s.all), queued)
		}
	})
}

// A call that its providers die of is kept with the number of attempts; one whose time is up
// while it waits for a provider, too; and a replay calls who provides it then.
func TestDeadLettersOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		h := letterHub(t, s, hub.Config{}, "ch/*")
		c := h.Join("c")
		work := func(m *hubtest.Member, f func(string) (string, error)) {
			_, err := plexus.Handle(m.Channel("ch"), "work", func(_ context.Context, in string) (string, error) { return f(in) },
				service.WithGroup("g"), service.WithCapacity(1), plexus.WithIdempotent())
			must(t, err)
		}
		for i := range 3 {
			m := h.Join(fmt.Sprint("w", i))
			work(m, func(string) (string, error) { m.Cut(); return "", nil })
		}
		_, err := plexus.Call[string](t.Context(), c.Channel("ch"), "work", "poison")
		wantCode(t, err, status.PeerGone)
		h.Quiet()
		if len(s.all) != 1 || s.all[0].Reason != operation.ReasonAttempts || s.all[0].Attempts != 3 || string(s.all[0].Payload) != `"poison"` || s.all[0].Sender.ID != "c" {
			t.Fatalf("%+v", s.all)
		}
		replay := func() operation.DeadLetterReplayed {
			out, err := c.Channel("").ReplayDeadLetters(t.Context(), operation.DeadLetterReplay{DeadLetterFilter: operation.DeadLetterFilter{Kind: "call"}})
			must(t, err)
			return out
		}
		if out := replay(); out.Sent != 0 || len(out.Failed) != 1 || s.all[0].Attempts != 3 {
			t.Fatalf("%+v", out) // nobody is there
		}
		w := h.Join("w")
		var got []string
		bad := errors.New("not yet")
		work(w, func(in string) (string, error) { got = append(got, in); return in, bad })
		if out := replay(); out.Sent != 0 || s.all[0].Attempts != 4 {
			t.Fatalf("%+v", out)
		}
		bad = nil
		if out := replay(); out.Sent != 1 || len(s.all) != 0 || fmt.Sprint(got) != "[poison poison]" {
			t.Fatalf("%+v, %v", out, got)
		}
		w.Stall() // it takes one call, the other waits
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var calling sync.WaitGroup
		for range 2 {
			calling.Go(func() { _, _ = plexus.Call[string](ctx, c.Channel("ch"), "work", "late") })
		}
		calling.Wait()
		w.Resume()
		h.Quiet()
		if len(s.all) != 1 || s.all[0].Reason != operation.ReasonExpired {
			t.Fatalf("%+v", s.all)
		}
	})
}

// What only a bridge would take stays: it is not lost behind the bridge.
func TestDeadLettersDoNotGoOverBridges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		h := letterHub(t, s, hub.Config{Bridges: func(auth.Identity) bool { return true }}, "ch/*")
		p := h.Join("p")
		link := h.Join("link", func(c *client.Config) { c.Session.Features = append(c.Session.Features, operation.FeatureBridge) })
		_, err := plexus.Declare(p.Channel("ch"), "t")
		must(t, err)
		must(t, plexus.Publish(t.Context(), p.Channel("ch"), "t", []byte("x")))
		h.Quiet()
		_, err = plexus.Subscribe[[]byte](t.Context(), link.Channel("ch"), "t")
		must(t, err)
		out, err := p.Channel("").ReplayDeadLetters(t.Context(), operation.DeadLetterReplay{DeadLetterFilter: operation.DeadLetterFilter{All: true}})
		must(t, err)
		if out.Sent != 0 || len(out.Failed) != 1 || !strings.Contains(out.Failed[0].Reason, "another hub") || len(s.all) != 1 {
			t.Fatalf("%+v", out)
		}
	})
}

// Events without a receiver are kept and find their way by a replay.
func TestDeadLettersOfEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(shelf)
		h := letterHub(t, s, hub.Config{}, "ch/*")
		c, w := h.Join("c"), h.Join("w")
		_, err := w.Channel("ch").Join(t.Context())
		must(t, err)
		_, err = c.Channel("ch").Join(t.Context())
		must(t, err)
		got := make(chan string, 10)
		w.Channel("ch").Listen("note", func(e service.Event) { got <- string(e.Payload) + " from " + e.Sender })
		to := c.Channel("ch").At("w").Event("note")
		must(t, to.Emit(t.Context(), session.Message{Codec: 1, Payload: []byte(`0`)}))
		<-got
		must(t, w.Channel("ch").Leave(t.Context()))
		must(t, to.Emit(t.Context(), session.Message{Codec: 1, Payload: []byte(`1`)}))
		h.Quiet()
		if len(s.all) != 1 || s.all[0].Reason != "nobody" || s.all[0].Kind != "event" || s.all[0].Receiver != "w" || s.all[0].Sender.ID != "c" {
			t.Fatalf("%+v", s.all)
		}
		replay := operation.DeadLetterReplay{DeadLetterFilter: operation.DeadLetterFilter{IDs: []uint64{1}}}
		out, err := c.Channel("").ReplayDeadLetters(t.Context(), replay)
		must(t, err)
		if out.Sent != 0 || len(out.Failed) != 1 || len(s.all) != 1 {
			t.Fatalf("%+v", out)
		}
		_, err = w.Channel("ch").Join(t.Context())
		must(t, err)
		out, err = c.Channel("").ReplayDeadLetters(t.Context(), replay)
		must(t, err)
		if e := <-got; out.Sent != 1 || e != "1 from "+h.ID() || len(s.all) != 0 {
			t.Fatalf("%+v, %+v, %s", out, s.all, e)
		}
	})
}

// Only administrators see dead letters, and a hub without them says so.
func TestDeadLetterRights(t *testing.T) {
	h := hubtest.New(t, nil)
	_, err := h.Join("a").Channel("").DeadLetters(t.Context(), operation.DeadLetterQuery{})
	wantCode(t, err, status.PermissionDenied)
	h = hubtest.New(t, &hubtest.Options{Hub: hub.Config{Rights: guard.Rights{Administrators: []string{"*"}}}})
	_, err = h.Join("a").Channel("").DeadLetters(t.Context(), operation.DeadLetterQuery{})
	wantCode(t, err, status.Unimplemented)

	s := new(shelf)
	h = letterHub(t, s, hub.Config{}, "ch/>")
	m := h.Join("m")
	_, err = plexus.Declare(m.Channel("ch"), "t")
	must(t, err)
	for i := range 25 {
		must(t, plexus.Publish(t.Context(), m.Channel("ch"), "t", numbered(i, 10)))
	}
	h.Quiet()
	ch := m.Channel("")
	_, err = ch.DeadLetters(t.Context(), operation.DeadLetterQuery{Limit: 1001})
	wantCode(t, err, status.InvalidArgument)
	_, err = ch.PurgeDeadLetters(t.Context(), operation.DeadLetterFilter{})
	wantCode(t, err, status.InvalidArgument)
	_, err = ch.DeadLetter(t.Context(), 99)
	wantCode(t, err, status.NotFound)
	for deadline := time.Now().Add(hubtest.Patience); h.Stats().DeadLetters.Kept < 25 && time.Now().Before(deadline); {
		h.Quiet()
	}
	var ids []uint64
	for q := (operation.DeadLetterQuery{Limit: 10}); ; {
		page, err := ch.DeadLetters(t.Context(), q)
		must(t, err)
		for _, l := range page.Letters {
			ids = append(ids, l.ID)
		}
		if q.After = page.Next; q.After == 0 {
			break
		}
	}
	if len(ids) != 25 || ids[24] != 25 {
		t.Fatal(ids)
	}
	l, err := ch.DeadLetter(t.Context(), 7)
	if err != nil || !bytes.Equal(l.Data, numbered(6, 10)) && !strings.Contains(string(l.Value), "6") {
		t.Fatalf("%+v, %v", l, err)
	}
	got, err := ch.PurgeDeadLetters(t.Context(), operation.DeadLetterFilter{IDs: []uint64{1, 2, 3, 77}})
	if err != nil || got.Removed != 3 {
		t.Fatal(got, err)
	}
	got, err = ch.PurgeDeadLetters(t.Context(), operation.DeadLetterFilter{All: true})
	if err != nil || got.Removed != 22 || len(s.all) != 0 {
		t.Fatal(got, err)
	}
}
