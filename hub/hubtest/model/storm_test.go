// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// TestStorm has all members do everything at the same time, which no sequential model
// foretells: nothing may hang or be answered with a code that is nobody's fault, and in the
// end the books must be right and the hub empty.
func TestStorm(t *testing.T) {
	for _, policy := range []hub.OwnerPolicy{hub.Terminate, hub.Promote} {
		t.Run(string(policy), func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed) // the order of what happens is the scheduler's
			h := hubtest.New(t, &hubtest.Options{Hub: hub.Config{OwnerPolicy: policy, DefaultQueue: 16, KickedFor: -1}})
			ctx, cancel := context.WithTimeout(t.Context(), 4*hubtest.Patience)
			defer cancel()
			var wg sync.WaitGroup
			for i := range most {
				wg.Go(func() { storm(ctx, t, h, fmt.Sprintf("m%d", i), rand.New(rand.NewPCG(seed, uint64(i)))) })
			}
			wg.Wait()
			h.Quiet()
			for _, complaint := range hubtest.Audit(h.Status()) {
				t.Error(complaint)
			}
			st := h.Status()
			if st.Sessions+st.Channels+st.Methods+st.Topics+st.Subscriptions > 0 || st.Queued > 0 {
				t.Errorf("everybody has gone, and the hub has %+v", st)
			}
			if st.Calls == 0 || st.Published == 0 || st.Events == 0 {
				t.Errorf("nothing has happened: %+v", st)
			}
		})
	}
}

// expected are the ways in which an operation may fail because of what others do.
var expected = []status.Code{
	status.OK, status.NotFound, status.NotOwner, status.AlreadyExists, status.Undeclared, status.InvalidArgument,
	status.NoProvider, status.PeerGone, status.UnknownMethod, status.Evicted, status.Terminated, status.Cancelled,
}

// storm is the life of one member: a few sessions, each of some hundred operations.
func storm(ctx context.Context, t *testing.T, h *hubtest.Hub, id string, r *rand.Rand) {
	for range 3 {
		m := h.Dial(id, func(c *client.Config) { c.Session.StreamWindow = 4096 })
		if err := m.Connect(ctx); err != nil {
			t.Errorf("%s: %v", id, err)
			return
		}
		var wg sync.WaitGroup
		for range 80 {
			err := act(ctx, m, r, &wg)
			known := false
			for _, code := range expected {
				known = known || is(err, code)
			}
			if !known {
				t.Errorf("%s: %v", id, err)
			}
		}
		if r.IntN(2) == 0 {
			m.Cut()
		}
		m.Client.Close()
		wg.Wait()
		m.HubSession().Wait()
	}
}

// act does one thing.
func act(ctx context.Context, m *hubtest.Member, r *rand.Rand, wg *sync.WaitGroup) error {
	ch := m.Channel(channels[r.IntN(len(channels))])
	topic := topics[r.IntN(len(topics))]
	message := session.Message{Payload: make([]byte, r.IntN(3000))}
	var err error
	switch r.IntN(12) {
	case 0:
		_, err = ch.Join(ctx)
	case 1:
		err = ch.Leave(ctx)
	case 2:
		_, err = ch.Offer(ctx, "echo", service.Terms{}, func(c *session.Call) { c.Reply(session.Message{Payload: c.Payload}) })
	case 3:
		err = ch.Operate(ctx, operation.Withdraw, operation.Offer{Channel: ch.Name(), Method: "echo"}, nil)
	case 4:
		err = ch.Operate(ctx, operation.Declare, operation.Topic{Channel: ch.Name(), Name: topic, Shared: r.IntN(4) > 0}, nil)
	case 5:
		err = ch.Operate(ctx, operation.Retract, operation.Topic{Channel: ch.Name(), Name: topic}, nil)
	case 6:
		var s *service.Subscription
		if s, err = ch.Subscribe(ctx, patterns[r.IntN(len(patterns))], service.SubscribeOptions{}); err == nil {
			n := r.IntN(20)
			wg.Go(func() { listen(ctx, s, n) })
		}
	case 7:
		err = ch.Topic(topic).Emit(ctx, message)
	case 8:
		err = ch.Broadcast("b").Emit(ctx, message)
	case 9:
		err = ch.At(fmt.Sprintf("m%d", r.IntN(most))).Event("e").Emit(ctx, message)
	case 10:
		_, err = ch.Method("echo").Call(ctx, message, nil)
	case 11:
		whom := fmt.Sprintf("m%d", r.IntN(most))
		err = ch.Operate(ctx, operation.Kick, operation.Eviction{Channel: ch.Name(), Member: whom}, nil)
	}
	return err
}

// listen takes some publications, and then leaves the rest.
func listen(ctx context.Context, s *service.Subscription, n int) {
	for range n {
		if _, err := s.Recv(ctx); err != nil {
			return
		}
	}
	s.Close()
}
