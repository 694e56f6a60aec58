// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// The owner leaves again and again while others join: there is one owner at a time, he is a member,
// and a watcher sees every channel end or change hands before the next owner is named.
func TestOwnerLeavesInAJoinStorm(t *testing.T) {
	for _, policy := range []hub.OwnerPolicy{hub.Terminate, hub.Promote} {
		t.Run(string(policy), func(t *testing.T) {
			h := newHouse(t, hub.Config{OwnerPolicy: policy})
			watcher := h.join("watcher", nil)
			watch := mustWatch(watcher, "ch")
			var wg sync.WaitGroup
			for i := range 6 {
				p := h.join(fmt.Sprint("p", i), nil)
				wg.Go(func() {
					for range 40 {
						if err := p.op(operation.Join, operation.Place{Channel: "ch"}, nil); err != nil {
							t.Error(err)
						}
						if err := p.op(operation.Leave, operation.Place{Channel: "ch"}, nil); err != nil && status.CodeOf(err) != status.NotFound {
							t.Error(err) // not found: it was removed when the owner left
						}
					}
				})
			}
			wg.Wait()
			watcher.joinChannel("ch")
			var order []string // of joining
			owner := ""
			for {
				n := next(t, watch)
				switch n.Type {
				case operation.NoticeJoin:
					order = append(order, n.Member)
					if n.Member == "watcher" {
						next(t, watch, operation.NoticeOwner)
						return
					}
				case operation.NoticeOwner:
					if owner != "" && policy == hub.Terminate {
						t.Fatalf("%s follows %s", n.Member, owner)
					}
					if owner = n.Member; order[0] != owner {
						t.Fatalf("%s owns the channel, the earliest is %s", owner, order[0])
					}
				case operation.NoticeLeave:
					order = slices.DeleteFunc(order, func(o string) bool { return o == n.Member })
					if n.Member == owner && len(order) == 0 || policy == hub.Terminate && n.Member == owner {
						owner = ""
					}
				case operation.NoticeTerminate:
					if policy != hub.Terminate || n.Member != owner && owner != "" {
						t.Fatalf("%+v", n)
					}
				case operation.NoticeGap:
					t.Fatal("the watcher was too slow")
				}
			}
		})
	}
}

// Promotion goes by the time of joining, also of those who left in between.
func TestPromotionOrder(t *testing.T) {
	h := newHouse(t, hub.Config{OwnerPolicy: hub.Promote})
	var all []*party
	for i := range 5 {
		p := h.join(fmt.Sprint("p", i), nil)
		p.joinChannel("ch")
		all = append(all, p)
	}
	leave := func(p *party) { p.mustOp(operation.Leave, operation.Place{Channel: "ch"}, nil) }
	leave(all[1])
	all[1].joinChannel("ch") // at the end now
	for i, want := range [][]string{{"p2*", "p3", "p4", "p1"}, {"p3*", "p4", "p1"}, {"p4*", "p1"}, {"p1*"}} {
		leave(all[[]int{0, 2, 3, 4}[i]])
		wantIDs(t, all[0].memberIDs("ch"), want...)
	}
	all[1].protect("ch", "secret") // who was promoted has all rights of an owner
	wantCode(t, all[0].op(operation.Join, operation.Place{Channel: "ch"}, nil), status.Locked)
}

// While a password is set again and again, others join, subscribe and open streams: when it
// is set, nobody but its owner is inside, and nothing published afterwards reaches who has not given it.
func TestPasswordChangesUnderLoad(t *testing.T) {
	h := newHouse(t, hub.Config{})
	owner := h.join("owner", nil)
	topic := owner.declare("ch", "t", false)
	v, _, err := scram.New("secret")
	must(t, err)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		p := h.join(fmt.Sprint("p", i), nil)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = p.op(operation.Join, operation.Place{Channel: "ch"}, nil) // let in or not
				x, err := p.s.Route(method(operation.Channel, operation.Subscribe)).Open(t.Context(), wire.ServerStream,
					session.Message{Codec: json1, Payload: encoded(t, operation.Subscription{Channel: "ch", Pattern: ">"})})
				if err != nil {
					t.Error(err)
					return
				}
				for err == nil {
					var item session.Item
					if item, err = x.Recv(t.Context(), nil); err == nil && strings.HasPrefix(string(item.Payload), "secret") {
						t.Error("heard a secret")
						return
					}
					select {
					case <-stop:
						x.Cancel()
						return
					default:
					}
				}
			}
		})
	}
	for range 60 {
		owner.mustOp(operation.Password, operation.Protection{Channel: "ch", Verifier: (*operation.Verifier)(&v)}, nil)
		if got := owner.memberIDs("ch"); !slices.Equal(got, []string{"owner*"}) {
			t.Errorf("after the password was set there are %v", got)
		}
		must(t, owner.emit(topic, "secret"))
		must(t, owner.s.Ping(t.Context()))
		owner.mustOp(operation.Password, operation.Protection{Channel: "ch"}, nil)
		must(t, owner.emit(topic, "for all"))
	}
	close(stop)
	owner.protect("ch", "ends the subscriptions that still wait")
	wg.Wait()
}

// A password that is set in the moment in which a stream begins: it does not begin, or it ends.
func TestNoStreamSlipsThrough(t *testing.T) {
	h := newHouse(t, hub.Config{})
	blocking := &session.Config{Router: serve{calls: map[string]func(*session.Call){"block": func(c *session.Call) {
		ctx := c.Context()
		<-ctx.Done()
		c.Fail(ctx.Err())
	}}}}
	owner, p := h.join("owner", blocking), h.join("p", nil)
	owner.provide("ch", "block")
	v, _, err := scram.New("secret")
	must(t, err)
	for range 100 {
		ended := make(chan error, 1)
		go func() {
			x, err := p.s.Route(method("ch", "block")).Open(t.Context(), wire.ServerStream, session.Message{})
			if err == nil {
				_, err = x.Recv(patience(t), nil)
			}
			ended <- err
		}()
		owner.mustOp(operation.Password, operation.Protection{Channel: "ch", Verifier: (*operation.Verifier)(&v)}, nil)
		if err := <-ended; status.CodeOf(err) != status.Locked && status.CodeOf(err) != status.Evicted {
			t.Fatal(err)
		}
		owner.mustOp(operation.Password, operation.Protection{Channel: "ch"}, nil)
	}
}
