// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// journal is a log that a test reads.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// Whoever wants too much is told which limit it was, what it has and what it may have; who has
// most is logged, and all of it is published.
func TestEachLimitIsTold(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  hub.Config
		do   func(p *party) error
		want operation.Limit
	}{
		{"sessions of a user", hub.Config{PerUser: quota.Bounds{Sessions: 2}}, nil,
			operation.Limit{Name: "sessions", Scope: "user", Of: "anonymous", Usage: 2, Bound: 2}},
		{"channels of a user", hub.Config{PerUser: quota.Bounds{Channels: 3}}, (*party).joinMany,
			operation.Limit{Name: "channels", Scope: "user", Of: "anonymous", Usage: 3, Bound: 3}},
		{"channels of a member", hub.Config{MaxChannelsPerMember: 2}, (*party).joinMany,
			operation.Limit{Name: "channels", Scope: "member", Of: "p", Usage: 2, Bound: 2}},
		{"channels of the hub", hub.Config{MaxChannels: 4}, (*party).joinMany,
			operation.Limit{Name: "channels", Scope: "hub", Usage: 4, Bound: 4}},
		{"members of a channel", hub.Config{MaxMembersPerChannel: 1}, func(p *party) error {
			return p.op(operation.Join, operation.Place{Channel: "taken"}, nil)
		}, operation.Limit{Name: "members", Scope: "channel", Of: "taken", Usage: 1, Bound: 1}},
		{"methods of a user", hub.Config{PerUser: quota.Bounds{Methods: 3}}, (*party).provideMany,
			operation.Limit{Name: "methods", Scope: "user", Of: "anonymous", Usage: 3, Bound: 3}},
		{"methods of a member", hub.Config{MaxMethodsPerMember: 2}, (*party).provideMany,
			operation.Limit{Name: "methods", Scope: "member", Of: "p", Usage: 2, Bound: 2}},
		{"methods of a channel", hub.Config{MaxNamesPerChannel: 5}, (*party).provideMany,
			operation.Limit{Name: "methods", Scope: "channel", Of: "mine", Usage: 5, Bound: 5}},
		{"topics of a user", hub.Config{PerUser: quota.Bounds{Topics: 3}}, (*party).declareMany,
			operation.Limit{Name: "topics", Scope: "user", Of: "anonymous", Usage: 3, Bound: 3}},
		{"topics of a member", hub.Config{MaxTopicsPerMember: 2}, (*party).declareMany,
			operation.Limit{Name: "topics", Scope: "member", Of: "p", Usage: 2, Bound: 2}},
		{"subscriptions of a user", hub.Config{PerUser: quota.Bounds{Subscriptions: 3}}, (*party).subscribeMany,
			operation.Limit{Name: "subscriptions", Scope: "user", Of: "anonymous", Usage: 3, Bound: 3}},
		{"subscriptions of a member", hub.Config{MaxSubscriptionsPerMember: 2}, (*party).subscribeMany,
			operation.Limit{Name: "subscriptions", Scope: "member", Of: "p", Usage: 2, Bound: 2}},
		{"calls of a user", hub.Config{PerUser: quota.Bounds{Calls: 6}}, (*party).callMany,
			operation.Limit{Name: "calls", Scope: "user", Of: "anonymous", Usage: 6, Bound: 6}},
		{"schemas of a member", hub.Config{MaxSchemasPerMember: 10}, func(p *party) error {
			return p.op(operation.Provide, operation.Offer{Channel: "c", Method: "m", Input: []byte(`{"type":"object"}`)}, nil)
		}, operation.Limit{Name: "schemas", Scope: "member", Of: "p", Usage: 0, Bound: 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines journal
			c.cfg.Rights, c.cfg.Log = everybodyReads, slog.New(slog.NewTextHandler(&lines, nil))
			h := newHouse(t, c.cfg)
			watcher := h.join("watcher", nil)
			x := watcher.subscribe("$", "events.limit")
			watcher.mustOp(operation.Join, operation.Place{Channel: "taken"}, nil)
			p := h.join("p", nil)
			var err error
			if c.do != nil {
				err = c.do(p)
			} else {
				_, err = h.tryJoin("q", nil)
			}
			wantCode(t, err, status.LimitExceeded)
			got, ok := quota.Of(err)
			if !ok || got != c.want {
				t.Fatalf("%+v, want %+v (%v)", got, c.want, err)
			}
			e := told[operation.Event](t, x, "events.limit", nil)
			if e.Limit == nil || *e.Limit != c.want || e.Code != "limit_exceeded" || e.Identity != "anonymous" {
				t.Fatalf("%+v", e)
			}
			log := lines.String()
			if !strings.Contains(log, "a limit was hit") || !strings.Contains(log, "limit="+c.want.Name) || strings.Count(log, "\n") != 1 {
				t.Fatalf("the log: %s", log)
			}
			if c.want.Usage > 0 && !strings.Contains(log, "p (") && !strings.Contains(log, "(") {
				t.Fatalf("the log does not say who has most: %s", log)
			}
			if n := h.h.Stats().Limits; n != 1 {
				t.Fatalf("%d refusals", n)
			}
		})
	}
}

func many(f func(i int) error) (err error) {
	for i := 0; err == nil && i < 100; i++ {
		err = f(i)
	}
	return err
}

func (p *party) joinMany() error {
	return many(func(i int) error { return p.op(operation.Join, operation.Place{Channel: fmt.Sprint("c", i)}, nil) })
}

func (p *party) provideMany() error {
	return many(func(i int) error {
		for range 2 { // again is no more
			if err := p.op(operation.Provide, operation.Offer{Channel: "mine", Method: fmt.Sprint("m", i)}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *party) declareMany() error {
	return many(func(i int) error {
		for range 2 {
			if err := p.op(operation.Declare, operation.Topic{Channel: "mine", Name: fmt.Sprint("t", i)}, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *party) subscribeMany() error {
	return many(func(int) error {
		_, err := p.tryOpen(operation.Subscribe, operation.Subscription{Channel: "ch", Pattern: ">"})
		return err
	})
}

// callMany has calls open that nobody answers.
func (p *party) callMany() error {
	h := p.in
	running := make(chan struct{}, 100)
	provider := h.join("slow", router(map[string]func(*session.Call){"wait": block(running)}))
	provider.provide("slow", "wait")
	r := p.s.Route(method("slow", "wait"))
	for range 5 { // and the watcher's subscription
		r.Go(p.t.Context(), session.Message{})
		<-running
	}
	_, err := p.call("slow", "wait", "")
	return err
}

// What a user gave back it may have again, and a session that ends gives everything back.
func TestLimitsEndWithWhatTheyCount(t *testing.T) {
	h := newHouse(t, hub.Config{PerUser: quota.Bounds{Sessions: 2, Methods: 1, Subscriptions: 1}})
	p, q := h.join("p", nil), h.join("q", nil)
	for range 3 {
		p.provide("ch", "m")
		wantCode(t, q.op(operation.Provide, operation.Offer{Channel: "ch", Method: "n"}, nil), status.LimitExceeded)
		p.mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "m"}, nil)
		q.provide("ch", "n")
		q.mustOp(operation.Withdraw, operation.Offer{Channel: "ch", Method: "n"}, nil)
	}
	p.provide("ch", "m")
	p.subscribe("ch", ">")
	_, err := h.tryJoin("r", nil)
	wantCode(t, err, status.LimitExceeded)
	_, err = h.tryJoin("p", nil) // the id is taken: nothing is counted
	wantCode(t, err, status.AlreadyExists)
	p.s.Close()
	p.hubs.Wait()
	r := h.join("r", nil)
	r.provide("other", "m")
	r.subscribe("ch", ">")
	if st := h.h.Stats(); st.Users != 1 || st.Sessions != 2 || st.SessionsTotal != 3 {
		t.Fatalf("%+v", st)
	}
}

// The bytes that wait for a member are bounded in all its queues together.
func TestQueuedBytesOfAMember(t *testing.T) {
	const bound = 64 << 10
	h := newHouse(t, hub.Config{MaxQueuedPerMember: bound})
	slow := h.join("slow", &session.Config{StreamWindow: 512})
	p := h.join("p", nil)
	r := p.declare("ch", "t", false)
	const subs, n, size = 8, 100, 2000
	var all []*session.Stream
	for range subs {
		all = append(all, slow.subscribe("ch", "t"))
	}
	for i := range n {
		must(t, r.Emit(t.Context(), numbered(i, size)))
	}
	must(t, p.s.Ping(patience(t)))
	if st := h.h.Stats(); st.QueuedBytes > bound+subs*(size+200) || st.QueuedBytes < bound/2 || st.Publications.Dropped["queue_full"] == 0 {
		t.Fatalf("%d bytes wait, %v", st.QueuedBytes, st.Publications)
	}
	for _, x := range all {
		var seen reading
		for seen.next < n {
			item, err := x.Recv(patience(t), nil)
			must(t, err)
			seen.take(t, item)
		}
	}
	balance(t, h)
	slow.s.Close()
	slow.hubs.Wait()
	if st := h.h.Stats(); st.QueuedBytes != 0 {
		t.Fatalf("%d bytes wait for nobody", st.QueuedBytes)
	}
}

var administers = guard.Rights{Administrators: []string{"anonymous"}}
