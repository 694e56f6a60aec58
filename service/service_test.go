// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
)

func TestMain(m *testing.M) { leak.Main(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fixed is the Source of one session.
type fixed struct{ s *session.Session }

func (f fixed) Session(context.Context) (*session.Session, error) { return f.s, nil }

// pair joins two tables by a session and returns a handle on the far one and both tables.
func pair(t *testing.T, cfg session.Config) (ch *service.Channel, near, far *service.Table) {
	near, far = &service.Table{}, &service.Table{}
	a, b := mem.Pipe()
	nearCfg, farCfg := cfg, cfg
	nearCfg.Router, farCfg.Router = near, far
	accepted := make(chan *session.Session, 1)
	go func() {
		s, err := session.Accept(context.Background(), b, &farCfg)
		if err != nil {
			t.Error(err)
		}
		accepted <- s
	}()
	s, err := session.Dial(context.Background(), a, &nearCfg)
	must(t, err)
	other := <-accepted
	t.Cleanup(func() {
		s.Close()
		other.Close()
		s.Wait()
		other.Wait()
		near.Close()
		far.Close()
	})
	return service.NewChannel(fixed{s}, near, ""), near, far
}

func echo(c *session.Call) { c.Reply(session.Message{Codec: c.Codec, Payload: c.Payload}) }

func TestMethodsComeAndGo(t *testing.T) {
	ch, _, far := pair(t, session.Config{})
	call := func() error {
		_, err := ch.Method("echo").Call(t.Context(), session.Message{Payload: []byte("x")}, nil)
		return err
	}
	if err := call(); !errors.Is(err, status.UnknownMethod) {
		t.Fatal(err)
	}
	for range 3 {
		remove, err := far.Handle("", "echo", service.Terms{}, echo)
		must(t, err)
		must(t, call())
		if _, err := far.Handle("", "echo", service.Terms{}, echo); !errors.Is(err, status.AlreadyExists) {
			t.Fatal(err)
		}
		remove()
		if err := call(); !errors.Is(err, status.UnknownMethod) {
			t.Fatal(err)
		}
	}
	if _, err := far.Handle("", "a..b", service.Terms{}, echo); !errors.Is(err, status.InvalidArgument) {
		t.Fatal(err)
	}
}

func TestOperationsNeedAHub(t *testing.T) {
	ch, _, _ := pair(t, session.Config{})
	err := ch.Operate(t.Context(), operation.Join, operation.Place{Channel: "x"}, nil)
	if !errors.Is(err, status.Unimplemented) {
		t.Fatal(err)
	}
}

// publish declares a topic at the far side and publishes n messages of one byte.
func publish(t *testing.T, far *service.Table, n int) {
	t.Helper()
	for i := range n {
		must(t, far.Publish("", "ticks", session.Message{Payload: []byte{byte(i)}}))
	}
}

// A subscriber that does not keep up loses what its policy says, is told exactly how many,
// and the sums close.
func TestSlowSubscriber(t *testing.T) {
	for _, policy := range []string{operation.DropOldest, operation.DropNewest} {
		t.Run(policy, func(t *testing.T) {
			ch, _, far := pair(t, session.Config{StreamWindow: 1})
			_, err := far.Declare("", "ticks", service.TopicTerms{})
			must(t, err)
			sub, err := ch.Subscribe(t.Context(), "ticks", service.SubscribeOptions{Queue: 8, Policy: policy})
			must(t, err)
			const sent = 100
			publish(t, far, sent)
			got, lost, last := 0, uint64(0), byte(0)
			for got+int(lost) < sent {
				p, err := sub.Recv(t.Context())
				must(t, err)
				got++
				lost += p.Dropped
				last = p.Payload[0]
				if policy == operation.DropNewest && got+int(far.Counts().Dropped) == sent {
					break
				}
			}
			if policy == operation.DropOldest && last != sent-1 {
				t.Errorf("the last that came is %d", last)
			}
			c := far.Counts()
			if c.Published != sent || c.Delivered+c.Dropped != sent || c.Dropped == 0 || int(c.Delivered) != got {
				t.Errorf("%+v, received %d", c, got)
			}
		})
	}
}

func TestDisconnectPolicy(t *testing.T) {
	ch, _, far := pair(t, session.Config{StreamWindow: 1})
	_, err := far.Declare("", "ticks", service.TopicTerms{})
	must(t, err)
	sub, err := ch.Subscribe(t.Context(), "ticks", service.SubscribeOptions{Queue: 4, Policy: operation.Disconnect})
	must(t, err)
	publish(t, far, 50)
	for {
		if _, err = sub.Recv(t.Context()); err != nil {
			break
		}
	}
	if !errors.Is(err, status.Overloaded) {
		t.Fatal(err)
	}
}

func TestRetractedTopic(t *testing.T) {
	ch, _, far := pair(t, session.Config{})
	retract, err := far.Declare("", "chat", service.TopicTerms{Shared: true})
	must(t, err)
	topic := ch.Topic("chat")
	must(t, topic.Emit(t.Context(), session.Message{}))
	retract()
	// The far side learns of the next publication, and tells.
	for err = nil; err == nil; {
		err = topic.Emit(t.Context(), session.Message{})
	}
	if !errors.Is(err, status.Undeclared) {
		t.Fatal(err)
	}
	_, err = far.Declare("", "chat", service.TopicTerms{Shared: true})
	must(t, err)
	must(t, topic.Emit(t.Context(), session.Message{}))
}

func TestSubscriptionEndsWithTheTable(t *testing.T) {
	ch, _, far := pair(t, session.Config{})
	sub, err := ch.Subscribe(t.Context(), ">", service.SubscribeOptions{})
	must(t, err)
	local, err := far.SubscribeLocal("", ">", service.SubscribeOptions{})
	must(t, err)
	far.EndSubscriptions()
	if _, err := sub.Recv(t.Context()); !errors.Is(err, status.Unavailable) {
		t.Fatal(err)
	}
	if _, err := local.Recv(t.Context()); err != io.EOF {
		t.Fatal(err)
	}
}

// Events keep their order however slow the listener is, and a listener that is closed
// gives the credit of what waits back.
func TestListenerKeepsOrderAndCredit(t *testing.T) {
	ch, _, far := pair(t, session.Config{RouteWindow: 4096})
	step := make(chan struct{})
	got := make(chan byte, 100)
	l := far.Listen(nil, func(e service.Event) {
		<-step
		got <- e.Payload[0]
	})
	e := ch.Event("x")
	done := make(chan error, 1)
	go func() {
		for i := range 100 {
			if err := e.Emit(t.Context(), session.Message{Payload: []byte{byte(i)}}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for i := range 50 {
		step <- struct{}{}
		if b := <-got; b != byte(i) {
			t.Fatalf("event %d is %d", i, b)
		}
	}
	l.Close()
	close(step)
	must(t, <-done)
}
