// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/schema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// Each failure that nobody waits for is published, and under the policy raise ends the session
// of who caused it; calls and warnings never do.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		kind   string
		policy schema.Policy
		do     func(t *testing.T, h *house, p *party)
		spared bool // also by raise
	}{
		{operation.FaultMisfit, schema.Reject, publishTooMuch, false},
		{operation.FaultMisfit, schema.Warn, publishTooMuch, true},
		{operation.FaultUnwanted, schema.Off, func(t *testing.T, h *house, p *party) {
			h.join("deaf", echoing).provide("ch", "echo")
			r := p.event("ch", "echo", "")
			for range 100 {
				if p.emit(r, "x") != nil || p.s.Ping(patience(t)) != nil {
					return
				}
			}
		}, false},
		{operation.FaultUndeclared, schema.Off, func(t *testing.T, h *house, p *party) {
			q := h.join("q", nil)
			q.declare("ch", "t", true)
			r := p.topic("ch", "t")
			must(t, p.emit(r, "1"))
			must(t, p.s.Ping(patience(t)))
			// The revocation comes by a connection that p does not read: it publishes on.
			for range 1000 {
				q.mustOp(operation.Retract, operation.Topic{Channel: "ch", Name: "t"}, nil)
				for range 10 {
					_ = p.emit(r, "2")
				}
				if h.h.Stats().Publications.Dropped["undeclared"] > 0 || p.s.Err() != nil {
					return
				}
				q.declare("ch", "t", true)
				_ = p.emit(r, "1")
			}
			t.Skip("it never happened that a publication was under way")
		}, false},
	} {
		for _, policy := range []hub.ErrorPolicy{hub.Broadcast, hub.Raise} {
			t.Run(fmt.Sprint(c.kind, " ", c.policy, " ", policy), func(t *testing.T) {
				cfg, _ := checking(c.policy)
				cfg.ErrorPolicy, cfg.Rights = policy, everybodyReads
				h := newHouse(t, cfg)
				x := h.join("reader", nil).subscribe("$", "errors.*")
				p := h.join("p", nil)
				c.do(t, h, p)
				f := told[operation.Fault](t, x, "errors."+c.kind, nil)
				raised := policy == hub.Raise && !c.spared
				if f.Member != "p" || f.Type != c.kind || f.Code == "" || f.Reason == "" || f.Closed != raised {
					t.Fatalf("%+v", f)
				}
				if raised {
					<-p.s.Done()
					wantCode(t, p.s.Err(), status.Evicted)
					return
				}
				must(t, p.s.Ping(patience(t)))
			})
		}
	}
}

func publishTooMuch(t *testing.T, _ *house, p *party) {
	p.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: "t", Schema: most(1)}, nil)
	must(t, p.emit(p.topic("ch", "t"), "too long"))
}

// A call that does not fit is its caller's business, whatever the policy.
func TestRaiseSparesCalls(t *testing.T) {
	cfg, _ := checking(schema.Reject)
	cfg.ErrorPolicy = hub.Raise
	h := newHouse(t, cfg)
	h.join("q", echoing).offer("echo", wire.Unary, most(1), nil)
	p := h.join("p", nil)
	_, err := p.call("ch", "echo", "too long")
	misfits(t, err, status.InvalidArgument, "ch/echo")
	_, err = p.call("ch", "nothing", "")
	wantCode(t, err, status.NoProvider)
	must(t, p.s.Ping(patience(t)))
}

// A schema that cannot be used is not a line for each time that it is announced.
func TestUnusableSchemasAreLoggedRarely(t *testing.T) {
	var lines journal
	cfg, _ := checking(schema.Warn)
	cfg.Log = slog.New(slog.NewTextHandler(&lines, nil))
	h := newHouse(t, cfg)
	p := h.join("p", nil)
	for i := range 50 {
		p.mustOp(operation.Declare, operation.Topic{Channel: "ch", Name: fmt.Sprint("t", i), Schema: json.RawMessage(`{"a":1}`)}, nil)
	}
	if n := strings.Count(lines.String(), "messages are not checked"); n == 0 || n > 10 {
		t.Fatalf("%d lines", n)
	}
}

// Members come, go, are kicked and hit limits while others read all of it: nothing stops, and
// what was counted is given back.
func TestSystemUnderLoad(t *testing.T) {
	h := newHouse(t, hub.Config{Rights: guard.Rights{Administrators: []string{guard.Everybody}}, DefaultQueue: 16, MaxMethodsPerMember: 2})
	var wg sync.WaitGroup
	for range 2 {
		reader := h.join("", &session.Config{StreamWindow: 4096})
		x := reader.subscribe("$", ">")
		wg.Go(func() {
			for {
				if _, err := x.Recv(patience(t), nil); err != nil {
					return
				}
			}
		})
	}
	var working sync.WaitGroup
	for n := range 4 {
		working.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(n)))
			for i := range 30 {
				p, err := h.tryJoin(fmt.Sprint("w", n, "-", i), nil)
				if err != nil {
					t.Error(err)
					return
				}
				for k := range 3 { // the third is too many
					_ = p.op(operation.Provide, operation.Offer{Channel: "ch", Method: fmt.Sprint("m", n, k)}, nil)
				}
				_ = p.op(operation.Kick, operation.Eviction{Member: fmt.Sprint("w", rnd.IntN(4), "-", i)}, nil)
				_ = h.h.Stats()
				p.s.Close()
			}
		})
	}
	working.Wait()
	must(t, h.h.Close())
	wg.Wait()
	var st operation.HubStats
	for ctx := patience(t); ctx.Err() == nil; runtime.Gosched() { // the hub learns of ends in its own time
		if st = h.h.Stats(); st.Sessions == 0 && st.Users == 0 {
			break
		}
	}
	if st.Sessions != 0 || st.Users != 0 || st.Channels != 0 || st.QueuedBytes != 0 || st.SessionsTotal != 122 {
		t.Fatalf("%+v", st)
	}
}
