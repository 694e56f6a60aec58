// SPDX-License-Identifier: Apache-2.0

package bridge_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/bridge"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// country is some hubs, each with a member that talks and listens in channel "all".
type country struct {
	t     testing.TB
	hubs  []*house
	talk  []*plexus.Client
	subs  []*plexus.Subscription[string]
	heard []chan string // broadcasts
	spans map[[2]int][]*span
}

func newCountry(t testing.TB, n int) *country {
	c := &country{t: t, spans: make(map[[2]int][]*span)}
	for i := range n {
		h := newHouse(t, fmt.Sprintf("h%d", i), false)
		m := h.member(fmt.Sprintf("m%d", i))
		c.hubs, c.talk = append(c.hubs, h), append(c.talk, m)
		_, err := plexus.Declare(m.Channel("all"), fmt.Sprintf("t%d", i))
		must(t, err)
		_, err = plexus.Handle(m.Channel("all"), fmt.Sprintf("who%d", i), func(ctx context.Context, _ string) (string, error) {
			e, _ := plexus.EnvelopeOf(ctx)
			return fmt.Sprintf("h%d hears %s", i, e.Sender), nil
		})
		must(t, err)
		sub, err := plexus.Subscribe[string](t.Context(), m.Channel("all"), ">")
		must(t, err)
		ch := make(chan string, 1000)
		l := plexus.On(m.Channel("all"), "shout", func(ctx context.Context, v string) {
			e, _ := plexus.EnvelopeOf(ctx)
			ch <- v + " from " + e.Sender
		}, nil)
		t.Cleanup(l.Close)
		c.subs, c.heard = append(c.subs, sub), append(c.heard, ch)
	}
	return c
}

func (c *country) link(i, j int) {
	i, j = min(i, j), max(i, j)
	c.spans[[2]int{i, j}] = append(c.spans[[2]int{i, j}], join(c.t, c.hubs[i], c.hubs[j]))
}

func (c *country) cut(i, j int) {
	key := [2]int{min(i, j), max(i, j)}
	last := len(c.spans[key]) - 1
	c.spans[key][last].stop()
	c.spans[key] = c.spans[key][:last]
}

// distances are the hops between all hubs, -1 for no way: what the bridges are judged by.
func (c *country) distances() [][]int {
	d := make([][]int, len(c.hubs))
	for i := range d {
		d[i] = slices.Repeat([]int{-1}, len(c.hubs))
		d[i][i] = 0
		for queue := []int{i}; len(queue) > 0; queue = queue[1:] {
			for j := range c.hubs {
				if d[i][j] < 0 && len(c.spans[[2]int{min(queue[0], j), max(queue[0], j)}]) > 0 {
					d[i][j] = d[i][queue[0]] + 1
					queue = append(queue, j)
				}
			}
		}
	}
	return d
}

// settled waits until every hub has exactly the members that it can reach, each by a shortest
// way, and what they offer.
func (c *country) settled() {
	c.t.Helper()
	c.still()
	d := c.distances()
	for i := range c.hubs {
		var want []string
		for j := range c.hubs {
			if d[i][j] > 0 {
				want = append(want, fmt.Sprintf("m%d@h%d via %d", j, j, d[i][j]))
			}
		}
		slices.Sort(want)
		var got, topics, methods []string
		defer func() {
			if c.t.Failed() {
				c.t.Logf("hub h%d has %v, topics %v, methods %v", i, got, topics, methods)
			}
		}()
		eventually(c.t, fmt.Sprintf("hub h%d knows %v, and has a topic and a method of each", i, want), func() bool {
			list, err := c.talk[i].Channel("all").Members(c.t.Context())
			got = nil
			for _, m := range list {
				if m.ID != fmt.Sprintf("m%d", i) {
					got = append(got, fmt.Sprintf("%s via %d", m.ID, len(m.Path)))
				}
			}
			slices.Sort(got)
			topics, methods = nil, nil
			x, err2 := c.talk[i].Channel("all").Explore(c.t.Context(), "")
			for _, o := range x.Topics {
				topics = append(topics, o.Name)
			}
			for _, o := range x.Methods {
				methods = append(methods, o.Name)
			}
			return err == nil && err2 == nil && slices.Equal(got, want) && len(x.Topics) == len(want)+1 && len(x.Methods) == len(want)+1
		})
	}
}

// still waits until no bridge has anything to do, for a while.
func (c *country) still() {
	c.t.Helper()
	still := 0
	eventually(c.t, "the bridges come to rest", func() bool {
		still++
		for _, spans := range c.spans {
			for _, s := range spans {
				if st := s.Stats(); !st.Linked || st.Pending > 0 {
					still = 0
				}
			}
		}
		return still > 20
	})
}

// check has everybody talk: who can be reached hears it once, in order, and nobody else.
func (c *country) check(round string) {
	c.t.Helper()
	d := c.distances()
	ctx := c.t.Context()
	const n = 20
	for i, m := range c.talk {
		for k := range n {
			must(c.t, plexus.Publish(ctx, m.Channel("all"), fmt.Sprintf("t%d", i), fmt.Sprintf("%s.%d", round, k)))
		}
		must(c.t, plexus.Broadcast(ctx, m.Channel("all"), "shout", round))
		for j := range c.hubs {
			answer, err := plexus.Call[string](ctx, m.Channel("all"), fmt.Sprintf("who%d", j), "")
			want := fmt.Sprintf("h%d hears m%d@h%d", j, i, i)
			if i == j {
				want = fmt.Sprintf("h%d hears m%d", j, i)
			}
			if d[i][j] < 0 {
				if status.CodeOf(err) != status.NoProvider {
					c.t.Fatalf("a call from h%d to h%d, which it cannot reach: %q, %v", i, j, answer, err)
				}
			} else if err != nil || answer != want {
				c.t.Fatalf("a call from h%d to h%d: %q, %v", i, j, answer, err)
			}
		}
	}
	limited, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for i, sub := range c.subs {
		next := make(map[string]int)
		reach := 0
		for j := range c.hubs {
			if d[i][j] >= 0 {
				reach++
			}
		}
		for range reach * n {
			p, err := sub.Next(limited)
			if err != nil {
				c.t.Fatalf("h%d got only %v in round %s: %v", i, next, round, err)
			}
			if want := fmt.Sprintf("%s.%d", round, next[p.Topic]); p.Value != want {
				c.t.Fatalf("h%d got %q of %s by %s, want %q", i, p.Value, p.Topic, p.Sender, want)
			}
			next[p.Topic]++
		}
		for t, got := range next {
			if got != n {
				c.t.Fatalf("h%d got %d of %s", i, got, t)
			}
		}
		from := make(map[string]int)
		for range reach - 1 {
			select {
			case what := <-c.heard[i]:
				from[what]++
			case <-limited.Done():
				c.t.Fatalf("h%d heard only %v in round %s", i, from, round)
			}
		}
		for what, times := range from {
			if times != 1 || !strings.HasPrefix(what, round+" from m") {
				c.t.Fatalf("h%d heard %q %d times", i, what, times)
			}
		}
	}
}

// quiet checks that nothing has come twice: all of it has been taken by check.
func (c *country) quiet() {
	c.t.Helper()
	for i := range c.hubs {
		select {
		case what := <-c.heard[i]:
			c.t.Fatalf("h%d heard %q once too often", i, what)
		default:
		}
	}
}

func (c *country) round(name string) {
	c.t.Helper()
	c.settled()
	c.check(name)
	c.quiet()
}

func TestRing(t *testing.T) {
	c := newCountry(t, 3)
	for i := range 3 {
		c.link(i, (i+1)%3)
	}
	c.round("whole")
	c.cut(0, 1)
	c.round("cut")
	c.link(0, 1)
	c.round("healed")
}

func TestStar(t *testing.T) {
	c := newCountry(t, 5)
	for i := 1; i < 5; i++ {
		c.link(0, i)
	}
	c.round("star")
}

func TestDoubleLink(t *testing.T) {
	c := newCountry(t, 2)
	c.link(0, 1)
	c.link(0, 1)
	c.round("double")
	c.cut(0, 1)
	c.round("single")
	c.cut(0, 1)
	c.round("none")
}

// A hub is not linked to itself.
func TestSelfLink(t *testing.T) {
	h := newHouse(t, "h", false)
	br, err := bridge.New(bridge.Config{A: bridge.Side{Dial: h.dial}, B: bridge.Side{Dial: h.dial}})
	must(t, err)
	if err := br.Run(t.Context()); status.CodeOf(err) != status.InvalidArgument {
		t.Fatal(err)
	}
}

// Without the rule nobody is a bridge, or speaks for others.
func TestRight(t *testing.T) {
	strict := newHouse(t, "strict", false)
	h := hub.New(hub.Config{ID: "none"})
	srv, err := plexus.NewServer(&plexus.ListenOptions{ID: "none", Hub: h})
	must(t, err)
	none := &house{t: t, hub: h, srv: srv}
	t.Cleanup(func() {
		h.Close()
		srv.Close()
	})
	br, err := bridge.New(bridge.Config{A: bridge.Side{Dial: strict.dial}, B: bridge.Side{Dial: none.dial}})
	must(t, err)
	if err := br.Run(t.Context()); status.CodeOf(err) != status.PermissionDenied {
		t.Fatal(err)
	}
	ctx := t.Context()
	refused := func(h *house, o plexus.DialOptions, want status.Code) {
		t.Helper()
		c, err := h.dial(ctx, o)
		if status.CodeOf(err) != want {
			t.Fatalf("want %v, got %v", want, err)
		}
		if err == nil {
			c.Close()
		}
	}
	feature := []string{operation.FeatureBridge}
	claims := plexus.DialOptions{}
	claims.Session.Features = feature
	refused(none, claims, status.PermissionDenied)
	refused(none, plexus.DialOptions{ID: "alice@west"}, status.PermissionDenied)
	refused(strict, plexus.DialOptions{ID: "alice@west"}, status.PermissionDenied) // not a bridge's session
	guest := plexus.DialOptions{ID: "alice@west"}
	guest.Session.Features = feature
	refused(strict, guest, status.FailedPrecondition) // of a hub that it does not carry
	guest.ID = "alice@strict"
	refused(strict, guest, status.FailedPrecondition) // of this hub
	plain := strict.member("plain")
	if err := plain.Channel("$").Operate(ctx, operation.Link, operation.LinkState{}, nil); status.CodeOf(err) != status.PermissionDenied {
		t.Fatal(err)
	}
}

// Links come and go at random: members, ways and copies are those of the graph.
func TestRandomTopologies(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	c := newCountry(t, 5)
	for round := range rounds {
		for range 1 + r.IntN(3) {
			i, j := r.IntN(5), r.IntN(5)
			key := [2]int{min(i, j), max(i, j)}
			switch {
			case i == j:
			case len(c.spans[key]) > 0 && r.IntN(2) == 0:
				c.cut(i, j)
			default:
				c.link(i, j)
			}
		}
		c.round(fmt.Sprintf("r%d", round))
	}
}
