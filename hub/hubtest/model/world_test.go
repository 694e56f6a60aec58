// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// The names there are: few, so that members get in each other's way.
var (
	channels = []string{"c0", "c1", "c2"}
	methods  = []string{"echo", "hold", "rows"}
	topics   = []string{"t.a", "t.b", "u"}
	patterns = []string{"t.a", "t.*", ">", "u"}
)

// world is a hub with its members, and what should be true of them.
type world struct {
	*rapid.T

	h        *hubtest.Hub
	rules    rules
	members  map[string]*member
	observer *hubtest.Member
	notices  *fold
	calls    []*call
	serial   int
	stale    map[lane]bool // by what members have sent on: it has led nowhere since

	mu      sync.Mutex
	holding map[string]chan struct{} // handlers that run, by the number of their call
}

// member is one party. What it should have got is in subs and hears.
type member struct {
	*hubtest.Member
	id      string
	stalled bool
	offers  map[[2]string]*service.Registration
	subs    []*subscription
	hears   *ear
}

// lane is the unit of order: a sender and what it sends on.
type lane struct {
	sender, class, channel, name string
}

func (l lane) String() string {
	return fmt.Sprintf("%s/%s from %s (%s)", l.channel, l.name, l.sender, l.class)
}

// log is what came, or should come, by lane.
type log map[lane][]int

// ear records the events of a member.
type ear struct {
	mu   sync.Mutex
	got  log
	want log
	slow bool // stalled once: some may have been dropped
}

// subscription is one, what came of it and what should have.
type subscription struct {
	channel, pattern string
	s                *service.Subscription
	want             log
	slow             bool        // it may have missed some
	frail            bool        // if it is slow, it may have been ended for it
	ended            status.Code // as it should; OK: it has not

	mu     sync.Mutex
	got    log
	number int
	missed uint64
	err    error
}

// call is one whose answer is not there yet.
type call struct {
	caller, provider, method, key string
	cancel                        context.CancelFunc
	cancelled, released           bool
	lost                          bool // the provider has gone
	orphan                        bool // the caller has gone
	done                          chan struct{}
	answer                        string
	err                           error
}

// bench makes a testing.TB of a rapid.T.
type bench struct {
	testing.TB // nil: what is used is below
	t          *rapid.T
}

func (b bench) Helper()                   { b.t.Helper() }
func (b bench) Cleanup(f func())          { b.t.Cleanup(f) }
func (b bench) Context() context.Context  { return b.t.Context() }
func (b bench) Failed() bool              { return b.t.Failed() }
func (b bench) Error(args ...any)         { b.t.Error(args...) }
func (b bench) Errorf(f string, a ...any) { b.t.Errorf(f, a...) }
func (b bench) Fatalf(f string, a ...any) { b.t.Fatalf(f, a...) }

func newWorld(t *rapid.T) *world {
	cfg := hub.Config{DefaultQueue: 64, OwnerPolicy: hub.Terminate, KickedFor: -1}
	promote := rapid.Bool().Draw(t, "promote")
	if promote {
		cfg.OwnerPolicy = hub.Promote
	}
	// Who is stalled is not to be cut for it, in the time that other steps take.
	w := &world{
		T: t, rules: rules{promote: promote, rooms: map[string]*room{}}, members: map[string]*member{}, holding: map[string]chan struct{}{}, stale: map[lane]bool{},
		h: hubtest.New(bench{t: t}, &hubtest.Options{Hub: cfg, Session: session.Config{DataTimeout: 1000 * time.Hour}}),
	}
	w.observer = w.h.Join("observer")
	x, err := w.observer.Channel("").Watch(t.Context())
	w.must(err)
	w.notices = follow(x)
	t.Cleanup(w.shut)
	return w
}

// shut lets handlers end, so that the hub can be closed.
func (w *world) shut() {
	for _, c := range w.calls {
		c.cancel()
	}
	w.mu.Lock()
	for _, release := range w.holding {
		close(release)
	}
	w.holding = map[string]chan struct{}{}
	w.mu.Unlock()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// settle returns when nothing happens any more, and the Keeper has had its turn.
func (w *world) settle() {
	<-time.After(100 * time.Millisecond)
	synctest.Wait()
}

// attach brings a member in.
func (w *world) attach(id string) {
	m := &member{id: id, offers: map[[2]string]*service.Registration{}, hears: &ear{got: log{}, want: log{}}}
	m.Member = w.h.Join(id, func(c *client.Config) {
		c.Session.StreamWindow, c.Session.RouteWindow = 32<<10, 64<<10
		c.Session.DataTimeout = 1000 * time.Hour
	})
	for _, ch := range channels {
		m.Channel(ch).Listen("", m.hears.hear)
	}
	w.members[id] = m
}

func (e *ear) hear(v service.Event) {
	class := "event"
	if v.Broadcast {
		class = "broadcast"
	}
	l := lane{v.Sender, class, v.Channel, v.Name}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.got[l] = append(e.got[l], numberOf(v.Payload))
}

// body returns a payload that says its number.
func body(n, size int) []byte { return fmt.Appendf(nil, "%08d%s", n, strings.Repeat(".", size)) }

func numberOf(payload []byte) (n int) {
	if _, err := fmt.Sscanf(string(payload[:min(8, len(payload))]), "%d", &n); err != nil {
		return -1
	}
	return n
}

// collect records a subscription until it ends.
func (s *subscription) collect() {
	for {
		p, err := s.s.Recv(context.Background())
		s.mu.Lock()
		if err != nil {
			s.err = err
			s.mu.Unlock()
			return
		}
		l := lane{p.Sender, "topic", p.Channel, p.Topic}
		s.got[l] = append(s.got[l], numberOf(p.Payload))
		s.number++
		s.missed += p.Dropped
		s.mu.Unlock()
	}
}

// terms are what a method is offered with.
func terms(method string) (t service.Terms) {
	if method == "rows" {
		t.Shape = session.ServerStream
	}
	return t
}

// rows is the handler of the method of that name: so many items of such a size.
func rows(c *session.Call) {
	var n, size int
	if _, err := fmt.Sscan(string(c.Payload), &n, &size); err != nil {
		c.Fail(err)
		return
	}
	x, err := c.Stream()
	for i := 0; i < n && err == nil; i++ {
		err = x.Send(c.Context(), session.Message{Payload: body(i, size)})
	}
	if err != nil {
		c.Fail(err)
		return
	}
	c.Reply(session.Message{})
}

// serve is the handler of a method at one member.
func (w *world) serve(provider, method string) service.Handler {
	if method == "rows" {
		return rows
	}
	return func(c *session.Call) {
		key := string(c.Payload)
		if method == "hold" {
			release := make(chan struct{})
			ctx := c.Context()
			w.mu.Lock()
			w.holding[key] = release
			w.mu.Unlock()
			select {
			case <-release:
			case <-ctx.Done():
				w.mu.Lock()
				delete(w.holding, key)
				w.mu.Unlock()
				c.Fail(ctx.Err())
				return
			}
		}
		c.Reply(session.Message{Payload: []byte(provider + " " + key)})
	}
}

// release has a handler answer.
func (w *world) release(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.holding[key]; ch != nil {
		close(ch)
		delete(w.holding, key)
	}
}

func (w *world) held(key string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.holding[key] != nil
}

// fold is the membership as the notices tell it.
type fold struct {
	mu    sync.Mutex
	in    map[string][]string
	owner map[string]string
	heard map[[2]string]bool // topics that have subscribers
	gaps  uint64
	err   error
}

// follow reads a watch until it ends.
func follow(x *session.Stream) *fold {
	f := &fold{in: map[string][]string{}, owner: map[string]string{}, heard: map[[2]string]bool{}}
	go func() {
		for {
			n, err := service.NextNotice(context.Background(), x)
			f.mu.Lock()
			switch {
			case err != nil:
				f.err = err
				f.mu.Unlock()
				return
			case n.Type == operation.NoticeJoin:
				f.in[n.Channel] = append(f.in[n.Channel], n.Member)
			case n.Type == operation.NoticeLeave:
				f.in[n.Channel] = slices.DeleteFunc(f.in[n.Channel], func(m string) bool { return m == n.Member })
			case n.Type == operation.NoticeOwner:
				f.owner[n.Channel] = n.Member
			case n.Type == operation.NoticeFirstSubscriber:
				f.heard[[2]string{n.Channel, n.Name}] = true
			case n.Type == operation.NoticeLastSubscriber, n.Type == operation.NoticeRetract:
				delete(f.heard, [2]string{n.Channel, n.Name})
			case n.Type == operation.NoticeGap:
				f.gaps += n.Dropped
			}
			f.mu.Unlock()
		}
	}()
	return f
}

// emit sends a one-way message, which l tells of; for an event its name is the target's. want
// is what the model says. Where l has led nowhere in the meantime the refusal of then, which
// nobody has been told yet, is the error of this message; the next asks anew.
func (w *world) emit(l lane, to session.Emitter, want status.Code, p []byte) error {
	stale, known := w.stale[l]
	if !known || stale {
		w.stale[l] = false
	}
	err := to.Emit(w.Context(), session.Message{Payload: p})
	if err != nil && want == status.OK && stale {
		err = to.Emit(w.Context(), session.Message{Payload: p})
	}
	return err
}

// leads reports whether what is sent on l finds anybody.
func (w *world) leads(l lane) bool {
	switch l.class {
	case "topic":
		return w.rules.mayPublish(l.channel, l.name, l.sender) == status.OK
	case "event":
		return w.rules.in(l.channel, l.name)
	}
	return w.rules.rooms[l.channel] != nil
}

// is reports whether an error has a code, OK for none.
func is(err error, code status.Code) bool {
	if code == status.OK {
		return err == nil
	}
	return errors.Is(err, code) || code == status.Closed && errors.Is(err, io.EOF)
}
