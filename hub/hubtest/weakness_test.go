// SPDX-License-Identifier: Apache-2.0

package hubtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/hub/hubtest"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// The tests of this file are named after weaknesses of CommIPC, see docs/weaknesses.md. Those
// of the hub's own rules are in package hub. All but a few run in bubbles, where hours pass
// at once: what would hang or be cut off in time is seen.

func bubble(t *testing.T, f func(t *testing.T, h *hubtest.Hub)) {
	synctest.Test(t, func(t *testing.T) { f(t, hubtest.New(t, nil)) })
}

func wantCode(t *testing.T, err error, code status.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("got %v, want %v", err, code)
	}
}

// provide offers a method that answers with its argument.
func provide(t *testing.T, m *hubtest.Member, method string) *plexus.Registration {
	t.Helper()
	r, err := plexus.Handle(m.Channel("ch"), method, func(_ context.Context, in string) (string, error) { return in, nil })
	must(t, err)
	return r
}

func call(t *testing.T, m *hubtest.Member, method, in string) (string, error) {
	return plexus.Call[string](t.Context(), m.Channel("ch"), method, in)
}

// hold offers a method whose handler runs until its caller gives up or the member goes.
func hold(t *testing.T, m *hubtest.Member) (running, ended chan struct{}) {
	t.Helper()
	running, ended = make(chan struct{}, 100), make(chan struct{}, 100)
	_, err := plexus.Handle(m.Channel("ch"), "hold", func(ctx context.Context, in string) (string, error) {
		running <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return in, ctx.Err()
	})
	must(t, err)
	return running, ended
}

// 12: with a secret, clients were cut off some minutes after they had authenticated, and
// without one the first challenge ended the task that removes old ones.
func TestWeakness12AuthenticatedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chain := func(secret string) auth.Chain {
			m, err := auth.Secret([]byte(secret), nil)
			must(t, err)
			return auth.Chain{Mechanisms: []auth.Mechanism{m}}
		}
		right, wrong := chain("a secret of some length"), chain("another one of that length")
		h := hubtest.New(t, &hubtest.Options{Session: session.Config{Auth: right, Heartbeat: 15 * time.Second}})
		with := func(c auth.Chain) func(*client.Config) { return func(o *client.Config) { o.Session.Auth = c } }
		p, c := h.Join("p", with(right)), h.Join("c", with(right))
		provide(t, p, "echo")
		for range 24 {
			wantCode(t, h.Dial("guest", with(wrong)).Connect(t.Context()), status.Unauthenticated)
			<-time.After(time.Hour)
			got, err := call(t, c, "echo", "still here")
			if err != nil || got != "still here" {
				t.Fatal(got, err)
			}
		}
		if n := h.Status().Sessions; n != 2 {
			t.Fatalf("%d sessions", n)
		}
	})
}

// 13: calls and streams hung for ever when their provider died, and there was neither a
// deadline nor a cancel.
func TestWeakness13NoCallHangs(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		p, c := h.Join("p"), h.Join("c")
		running, ended := hold(t, p)
		ch := c.Channel("ch")

		f := plexus.Bind[string, string](ch, "hold").Go(t.Context(), "")
		<-running
		f.Cancel()
		<-ended // the handler is told
		_, err := f.Wait(t.Context())
		wantCode(t, err, status.Cancelled)

		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = plexus.Call[string](ctx, ch, "hold", "")
		wantCode(t, err, status.DeadlineExceeded)
		<-ended
		if took := time.Since(began); took < time.Minute || took > time.Minute+time.Second {
			t.Fatal(took)
		}

		_, err = plexus.HandleStream(p.Channel("ch"), "ticks", func(ctx context.Context, _ string, send func(int) error) error {
			must(t, send(1))
			<-ctx.Done()
			return ctx.Err()
		})
		must(t, err)
		began = time.Now()
		f = plexus.Bind[string, string](ch, "hold").Go(t.Context(), "")
		var items int
		for _, streamed := range plexus.Stream[int](t.Context(), ch, "ticks", "") {
			if items++; items == 1 {
				p.Cut()
			}
			err = streamed
		}
		wantCode(t, err, status.PeerGone)
		_, err = f.Wait(t.Context())
		wantCode(t, err, status.PeerGone)
		_, err = call(t, c, "hold", "")
		wantCode(t, err, status.NoProvider)
		if took := time.Since(began); took > time.Second {
			t.Fatalf("it took %v to find out", took)
		}
	})
}

// 14: after a reconnect a client had some of what it had before, and was not told what not.
// Here nothing is half there: everything ends with the session and says so, and a new client
// finds all names free.
func TestWeakness14NothingHalfRestored(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		for range 3 { // each time the same ids and names
			p, c := h.Join("p"), h.Join("c")
			provide(t, p, "echo")
			_, err := plexus.Declare(p.Channel("ch"), "t")
			must(t, err)
			sub, err := plexus.Subscribe[int](t.Context(), c.Channel("ch"), "t")
			must(t, err)
			_, err = call(t, c, "echo", "x")
			must(t, err)
			c.Cut()
			p.Cut()
			<-c.Done()
			_, err = sub.Next(t.Context())
			wantCode(t, err, status.PeerGone)
			_, err = call(t, c, "echo", "x")
			if c.Err() == nil || err == nil {
				t.Fatal(c.Err(), err)
			}
			p.Gone()
			c.Gone()
		}
		// Who is removed from a channel, or whose channel ends, is told by what it had open.
		owner, m := h.Join("owner"), h.Join("m")
		_, err := owner.Channel("ch").Join(t.Context())
		must(t, err)
		provide(t, m, "echo")
		sub, err := plexus.Subscribe[int](t.Context(), m.Channel("ch"), ">")
		must(t, err)
		must(t, owner.Channel("ch").Leave(t.Context()))
		_, err = sub.Next(t.Context())
		wantCode(t, err, status.Terminated)
	})
}

// 15: a client that was closed came back to life when a handler of it finished later.
func TestWeakness15ClosedStaysClosed(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		dials := 0
		p := h.Join("p", func(c *client.Config) {
			dial := c.Dial
			c.Dial = func(ctx context.Context) (transport.Conn, error) {
				dials++
				return dial(ctx)
			}
		})
		other := h.Join("other")
		provide(t, other, "echo")
		finished := make(chan error, 1)
		_, err := plexus.Handle(p.Channel("ch"), "late", func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			_, err := plexus.Call[string](context.Background(), p.Channel("ch"), "echo", "")
			finished <- err
			return "", err
		})
		must(t, err)
		f := plexus.Bind[string, string](other.Channel("ch"), "late").Go(t.Context(), "")
		h.Quiet()
		p.Client.Close()
		if err := <-finished; err == nil {
			t.Fatal("a closed client has called")
		}
		_, err = f.Wait(t.Context())
		if err == nil {
			t.Fatal("the call of a client that was closed has succeeded")
		}
		for range 3 {
			if _, err := call(t, p, "echo", ""); err == nil {
				t.Fatal("a closed client has called")
			}
			<-time.After(time.Hour)
		}
		p.Gone()
		if dials != 1 || h.Status().Sessions != 1 {
			t.Fatalf("%d dials, %+v", dials, h.Status())
		}
	})
}

// 17: bytes became text on their way, and what is not UTF-8 failed.
func TestWeakness17BytesStayBytes(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		p, c := h.Join("p"), h.Join("c")
		all := make([]byte, 100_000)
		for i := range all {
			all[i] = byte(i)
		}
		_, err := plexus.HandleStream(p.Channel("ch"), "download", func(_ context.Context, in []byte, send func([]byte) error) error {
			for part := range slices.Chunk(in, 999) {
				if err := send(part); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
		var got []byte
		for part, err := range plexus.Stream[[]byte](t.Context(), c.Channel("ch"), "download", all) {
			must(t, err)
			got = append(got, part...)
		}
		if !bytes.Equal(got, all) {
			t.Fatalf("%d bytes, want %d", len(got), len(all))
		}
		_, err = plexus.Declare(p.Channel("ch"), "t")
		must(t, err)
		sub, err := plexus.Subscribe[[]byte](t.Context(), c.Channel("ch"), "t")
		must(t, err)
		must(t, plexus.Publish(t.Context(), p.Channel("ch"), "t", all[:300]))
		v, err := sub.Next(t.Context())
		if err != nil || !bytes.Equal(v.Value, all[:300]) {
			t.Fatal(v.Value, err)
		}
	})
}

// 18: what was under way was counted by frames, so that a stream of n items counted as many
// calls less, and calls that were lost stayed counted.
func TestWeakness18CountsRecover(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		p, c := h.Join("p"), h.Join("c")
		running, _ := hold(t, p)
		_, err := plexus.HandleStream(p.Channel("ch"), "count", func(_ context.Context, n int, send func(int) error) error {
			for i := range n {
				if err := send(i); err != nil {
					return err
				}
			}
			return nil
		})
		must(t, err)
		counts := func(want int) {
			t.Helper()
			h.Quiet()
			in, out := c.HubSession().Stats().Inbound, p.HubSession().Stats().Pending
			if in != want || out != want {
				t.Fatalf("%d calls of the caller and %d to the provider are under way, want %d", in, out, want)
			}
		}
		var hanging []*plexus.Future[string]
		for range 5 {
			hanging = append(hanging, plexus.Bind[string, string](c.Channel("ch"), "hold").Go(t.Context(), ""))
			<-running
		}
		counts(5)
		for i := range 20 {
			items := 0
			for _, err := range plexus.Stream[int](t.Context(), c.Channel("ch"), "count", 1000) {
				must(t, err)
				if items++; i%2 == 0 && items == 7 {
					break // and the producer is told
				}
			}
		}
		counts(5)
		for _, f := range hanging {
			f.Cancel()
		}
		counts(0)
		for range 5 {
			plexus.Bind[string, string](c.Channel("ch"), "hold").Go(t.Context(), "")
			<-running
		}
		p.Cut()
		p.Gone()
		h.Quiet()
		if n := c.HubSession().Stats().Inbound; n != 0 {
			t.Fatalf("%d calls to a provider that has gone are under way", n)
		}
	})
}

// 19: explore took topics for methods and forgot their shape, nothing was told of what went,
// and who had unsubscribed was called all the same.
func TestWeakness19ExploreTellsTheTruth(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		p, c := h.Join("p"), h.Join("c")
		ch := p.Channel("ch")
		watch, err := c.Channel("ch").Watch(t.Context())
		must(t, err)
		method, err := plexus.HandleStream(ch, "rows", func(context.Context, int, func(int) error) error { return nil })
		must(t, err)
		topic, err := plexus.Declare(ch, "t")
		must(t, err)
		x, err := c.Channel("ch").Explore(t.Context(), "")
		must(t, err)
		if len(x.Methods) != 1 || x.Methods[0].Name != "rows" || session.Shape(x.Methods[0].Shape) != session.ServerStream ||
			len(x.Topics) != 1 || x.Topics[0].Name != "t" {
			t.Fatalf("%+v", x)
		}
		sub, err := plexus.Subscribe[int](t.Context(), c.Channel("ch"), "t")
		must(t, err)
		heard := 0
		l := plexus.On(c.Channel("ch"), "e", func(context.Context, int) { heard++ }, nil)
		_, err = c.Channel("ch").Join(t.Context())
		must(t, err)
		must(t, plexus.Broadcast(t.Context(), ch, "e", 1))
		h.Quiet()
		sub.Close()
		l.Close()
		must(t, plexus.Broadcast(t.Context(), ch, "e", 2))
		must(t, plexus.Publish(t.Context(), ch, "t", 3))
		h.Quiet()
		if _, err := sub.Next(t.Context()); err == nil || heard != 1 {
			t.Fatalf("%d events, %v", heard, err)
		}
		must(t, method.Close(t.Context()))
		must(t, topic.Close(t.Context()))
		told := ""
		for !strings.Contains(told, operation.NoticeRetract) {
			n, err := service.NextNotice(t.Context(), watch)
			must(t, err)
			told += n.Type + " "
		}
		if want := "join owner provide declare first_subscriber join last_subscriber withdraw retract "; told != want {
			t.Fatalf("got %q, want %q", told, want)
		}
		if x, err = c.Channel("ch").Explore(t.Context(), ""); err != nil || len(x.Methods)+len(x.Topics) > 0 {
			t.Fatalf("%+v %v", x, err)
		}
	})
}

// 23: a frame with a value of the wrong type ended the connection without a word, messages
// were cut at their first colon, and while one failure was told others were lost.
func TestWeakness23FailuresAreTold(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		p, c := h.Join("p"), h.Join("c")
		ops := c.Channel(operation.Channel)
		for _, body := range []string{`{"channel":7}`, `[]`, `{"channel":`, `"x"`, ``} {
			_, err := ops.Method(operation.Join).Call(t.Context(), session.Message{Codec: 1, Payload: []byte(body)}, nil)
			wantCode(t, err, status.InvalidArgument)
		}
		const words = "first: second: third: 1:2:3"
		_, err := plexus.Handle(p.Channel("ch"), "fail", func(_ context.Context, in string) (string, error) {
			return "", errors.New(words + in)
		})
		must(t, err)
		var failed []*plexus.Future[string]
		for i := range 50 {
			failed = append(failed, plexus.Bind[string, string](c.Channel("ch"), "fail").Go(t.Context(), fmt.Sprint(i)))
		}
		other := h.Join("other") // in the middle of them
		for i, f := range failed {
			_, err := f.Wait(t.Context())
			wantCode(t, err, status.Failed)
			if e := status.Convert(err); e.Message != words+fmt.Sprint(i) {
				t.Fatalf("%q", e.Message)
			}
		}
		_, err = call(t, other, "fail", "")
		wantCode(t, err, status.Failed)
		_, err = plexus.Call[int](t.Context(), other.Channel("ch"), "fail", struct{ X int }{1}) // decodes to no string
		wantCode(t, err, status.InvalidArgument)
		if c.Err() != nil || p.Err() != nil {
			t.Fatal(c.Err(), p.Err())
		}
	})
}

// 29: the hub decoded every message and encoded it anew for each receiver. Ours passes on
// what it does not understand, as it is; TestNoAllocationPerPublication of package hub holds
// what that costs.
func TestWeakness29NothingIsReencoded(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		p := h.Join("p")
		_, err := plexus.Declare(p.Channel("ch"), "t")
		must(t, err)
		var subs []*service.Subscription
		for range 5 {
			s, err := h.Join("").Channel("ch").Subscribe(t.Context(), "*", service.SubscribeOptions{})
			must(t, err)
			subs = append(subs, s)
		}
		odd := []byte("{\"b\": 1.0,\t\"a\":1e3 , \"a\":\xff nonsense")
		for codec := range uint8(6) {
			must(t, p.Channel("ch").Topic("t").Emit(t.Context(), session.Message{Codec: codec, Payload: odd}))
			for _, s := range subs {
				got, err := s.Recv(t.Context())
				if err != nil || got.Codec != codec || !bytes.Equal(got.Payload, odd) {
					t.Fatalf("%d %q %v", got.Codec, got.Payload, err)
				}
			}
		}
	})
}

// 30: each registration was told to all members, with all that is registered.
func TestWeakness30JoinsCostNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T, h *hubtest.Hub) {
		first := h.Join("first")
		provide(t, first, "m")
		h.Quiet()
		sent := func() uint64 { return first.HubSession().Stats().Sent }
		before := sent()
		var last *hubtest.Member
		for i := range 100 {
			last = h.Join(fmt.Sprintf("m%d", i))
			provide(t, last, fmt.Sprintf("m%d", i))
		}
		synctest.Wait()
		if n := sent() - before; n != 0 {
			t.Fatalf("100 registrations of others cost a member %d frames", n)
		}
		got := last.HubSession().Stats().Sent
		if n := h.Status().Methods; n != 101 || got > 20 {
			t.Fatalf("%d methods, the last member was sent %d frames", n, got)
		}
	})
}

// 31: a thousand items waited before a consumer that did not take them, it could not stop
// the producer, and after a minute of silence the stream ended.
func TestWeakness31StreamsHaveCredit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := session.Config{StreamWindow: 8 << 10}
		h := hubtest.New(t, &hubtest.Options{Session: small})
		p, c := h.Join("p"), h.Join("c", func(c *client.Config) { c.Session.StreamWindow = small.StreamWindow })
		produced, ended := make(chan int, 100_000), make(chan error, 1)
		_, err := plexus.HandleStream(p.Channel("ch"), "rows", func(_ context.Context, _ string, send func([]byte) error) error {
			for i := 0; ; i++ {
				if err := send(make([]byte, 1000)); err != nil {
					ended <- err
					return err
				}
				produced <- i
			}
		})
		must(t, err)
		items := 0
		for _, err := range plexus.Stream[[]byte](t.Context(), c.Channel("ch"), "rows", "") {
			must(t, err)
			if items++; items%100 == 1 {
				<-time.After(time.Hour) // nothing ends because nothing moves
				if ahead := len(produced) - items; ahead > 20 {
					t.Fatalf("the producer is %d items ahead", ahead)
				}
				_, err := call(t, c, "nothing", "") // a call overtakes what waits
				wantCode(t, err, status.NoProvider)
			}
			if items == 500 {
				break
			}
		}
		wantCode(t, <-ended, status.Cancelled)
	})
}
