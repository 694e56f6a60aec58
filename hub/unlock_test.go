// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Weakness 7: a hub that takes every proof, or wants one that is cheap to guess from, is found out.
func TestWeakness7FalseHub(t *testing.T) {
	for _, c := range []struct {
		iterations int
		code       status.Code
	}{{scram.MinIterations, status.Unauthenticated}, {scram.MinIterations - 1, status.InvalidArgument}, {scram.MaxIterations + 1, status.InvalidArgument}} {
		proofs := 0
		answer := func(c2 *session.Call) {
			var in operation.Unlocking
			_ = json.Unmarshal(c2.Payload, &in)
			out := operation.Unlocked{Salt: make([]byte, 16), Nonce: make([]byte, 16), Iterations: c.iterations}
			if len(in.Proof) > 0 {
				proofs++
				out = operation.Unlocked{Proof: make([]byte, 32)}
			}
			c2.Reply(session.Message{Codec: json1, Payload: encoded(t, out)})
		}
		h := newHouse(t, hub.Config{})
		d, a := h.pipe()
		accepted := make(chan *session.Session, 1)
		go func() {
			s, err := session.Accept(context.Background(), a, &session.Config{Router: serve{calls: map[string]func(*session.Call){operation.Unlock: answer}}})
			if err != nil {
				t.Error(err)
			}
			accepted <- s
		}()
		s, err := session.Dial(t.Context(), d, nil)
		must(t, err)
		other := <-accepted
		p := &party{t: t, s: s}
		wantCode(t, p.unlock("ch", "secret"), c.code)
		if want := c.code == status.Unauthenticated; want != (proofs == 1) {
			t.Errorf("%d iterations: %d proofs were given", c.iterations, proofs)
		}
		s.Close()
		other.Close()
		s.Wait()
		other.Wait()
	}
}

// A handle with a password gives it once, lazily, makes the channel when it offers something, and
// gives it again after it was locked out.
func TestHandleWithPassword(t *testing.T) {
	h := newHouse(t, hub.Config{})
	a, b := h.join("a", nil), h.join("b", nil)
	mine, his := a.channel("ch").WithPassword("secret"), b.channel("ch").WithPassword("secret")
	_, err := his.Members(t.Context())
	wantCode(t, err, status.Unauthenticated) // there is no such channel, and looking makes none
	var channels operation.ChannelList
	a.mustOp(operation.Channels, operation.Empty{}, &channels)
	if len(channels.Channels) != 0 {
		t.Fatalf("%+v", channels)
	}
	j, err := mine.Join(t.Context())
	must(t, err)
	if j.Owner != "a" {
		t.Fatalf("%+v", j)
	}
	j, err = his.Join(t.Context()) // now there is one
	must(t, err)
	if j.Owner != "a" || j.Members != 2 {
		t.Fatalf("%+v", j)
	}
	must(t, mine.SetPassword(t.Context(), "another"))
	_, err = his.Members(t.Context())
	wantCode(t, err, status.Locked)
	_, err = his.Members(t.Context())
	wantCode(t, err, status.Unauthenticated) // the old password again
	must(t, his.Unlock(t.Context(), "another"))
	_, err = his.Members(t.Context())
	must(t, err)
	open := h.join("c", nil)
	open.joinChannel("open")
	_, err = b.channel("open").WithPassword("secret").Join(t.Context()) // not what was meant
	wantCode(t, err, status.Unauthenticated)
	wantCode(t, b.channel("x").WithPassword("").Enter(t.Context()), status.InvalidArgument)
}
