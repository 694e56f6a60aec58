// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/status"
)

// offliner is a client whose server is gone, and that keeps what it sends.
type offliner struct {
	t       *testing.T
	address string
	told    states
	c       *plexus.Client

	mu     sync.Mutex
	faults []error
}

// listener starts a server at the address that collects the events "n".
func (o *offliner) listener() (srv *plexus.Server, got chan int) {
	o.t.Helper()
	got = make(chan int, 5000)
	srv, err := plexus.NewServer(nil)
	must(o.t, err)
	o.t.Cleanup(func() { srv.Close() })
	plexus.On(srv, "n", func(_ context.Context, n int) { got <- n })
	must(o.t, srv.Bind(o.t.Context(), o.address))
	return srv, got
}

// newOffliner connects and loses the connection.
func newOffliner(t *testing.T, offline client.Offline) *offliner {
	t.Helper()
	o := &offliner{t: t, address: path(t)}
	srv, got := o.listener()
	opts := o.told.options()
	opts.Reconnect.Offline = offline
	opts.OnError = func(err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.faults = append(o.faults, err)
	}
	c, err := plexus.Dial(t.Context(), o.address, opts)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	o.c = c
	must(t, plexus.Send(t.Context(), c, "n", 0))
	if n := <-got; n != 0 {
		t.Fatal(n)
	}
	srv.Close()
	o.told.await(t, client.Retrying)
	return o
}

// errors returns what OnError was told.
func (o *offliner) errors() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Sprint(o.faults)
}

func collect(got <-chan int, n int) (all []int) {
	for range n {
		all = append(all, <-got)
	}
	return all
}

// What is sent while the connection is lost leaves in order, before what is sent after it.
func TestOfflineKeepsTheOrder(t *testing.T) {
	o := newOffliner(t, client.Offline{Messages: 200})
	var want []int
	for n := 1; n <= 100; n++ {
		must(t, plexus.Send(t.Context(), o.c, "n", n, plexus.WithHeader("k", "v")))
		want = append(want, n)
	}
	if st := o.c.Stats().Offline; st.Waiting != 100 || st.Kept != 100 || st.WaitingBytes < 100*64 {
		t.Errorf("%+v", st)
	}
	_, got := o.listener()
	for n := 101; n <= 5000; n++ { // before, while and after the connection is made anew
		err := plexus.Send(t.Context(), o.c, "n", n)
		for errors.Is(err, status.Overloaded) {
			runtime.Gosched()
			err = plexus.Send(t.Context(), o.c, "n", n)
		}
		must(t, err)
		want = append(want, n)
	}
	if all := collect(got, 5000); !slices.Equal(all, want) {
		t.Error(all)
	}
	if st := o.c.Stats().Offline; st.Waiting != 0 || st.WaitingBytes != 0 || st.Sent != st.Kept || st.Sent < 100 || st.DroppedFull+st.DroppedRefused+st.DroppedClosed != 0 {
		t.Errorf("%+v", st)
	}
}

// When as many wait as may, the policy decides.
func TestOfflinePolicies(t *testing.T) {
	for _, c := range []struct {
		offline client.Offline
		want    []int
		dropped uint64
		refused bool
	}{
		{client.Offline{Messages: 3}, []int{1, 2, 3}, 0, true},
		{client.Offline{Messages: 3, Policy: client.OfflineDropOldest}, []int{3, 4, 5}, 2, false},
		{client.Offline{Messages: 3, Policy: client.OfflineDropNewest}, []int{1, 2, 3}, 2, false},
		{client.Offline{Messages: 100, Bytes: 3 * 65, Policy: client.OfflineDropOldest}, []int{3, 4, 5}, 2, false},
		{client.Offline{Messages: 100, Bytes: 3 * 65}, []int{1, 2, 3}, 0, true},
	} {
		t.Run(fmt.Sprintf("%s-%d", c.offline.Policy, c.offline.Bytes), func(t *testing.T) {
			o := newOffliner(t, c.offline)
			for n := 1; n <= 5; n++ {
				err := plexus.Send(t.Context(), o.c, "n", n)
				if refused := c.refused && n > 3; refused != errors.Is(err, status.Overloaded) || refused != (err != nil) || refused && !status.Retryable(err) {
					t.Error(n, err)
				}
			}
			if st := o.c.Stats().Offline; st.DroppedFull != c.dropped || st.Waiting != 3 {
				t.Errorf("%+v", st)
			}
			_, got := o.listener()
			if all := collect(got, 3); !slices.Equal(all, c.want) {
				t.Error(all)
			}
			must(t, o.c.Close())
			if told := strings.Contains(o.errors(), "2 messages"); told != (c.dropped > 0) {
				t.Error(o.errors())
			}
		})
	}
}

// What nobody takes after all, and what waits when the client is closed, is counted and told.
func TestOfflineDrops(t *testing.T) {
	o := newOffliner(t, client.Offline{Messages: 10})
	must(t, plexus.Send(t.Context(), o.c, "nobody", 1))
	must(t, plexus.Publish(t.Context(), o.c, "undeclared", 1))
	must(t, plexus.Send(t.Context(), o.c, "n", 2))
	srv, got := o.listener()
	if n := <-got; n != 2 {
		t.Error(n)
	}
	must(t, plexus.Send(t.Context(), o.c, "n", 3)) // waits for the rest
	if st := o.c.Stats().Offline; st.DroppedRefused != 2 || st.Sent != 1 || st.Kept != 3 {
		t.Errorf("%+v", st)
	}
	if s := o.errors(); !strings.Contains(s, "nobody listens") || !strings.Contains(s, "has not been declared") {
		t.Error(s)
	}
	srv.Close()
	o.told.await(t, client.Disconnected)
	must(t, plexus.Send(t.Context(), o.c, "n", 4))
	must(t, o.c.Close())
	if st := o.c.Stats().Offline; st.DroppedClosed != 1 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	if err := plexus.Send(t.Context(), o.c, "n", 5); err == nil {
		t.Error("a closed client keeps messages")
	}
	if s := o.errors(); !strings.Contains(s, "no connection follows") {
		t.Error(s)
	}
}

// What is not kept waits, and an error says that it is safe to send again.
func TestOfflineOff(t *testing.T) {
	o := newOffliner(t, client.Offline{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := plexus.Send(ctx, o.c, "n", 1); !errors.Is(err, status.DeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) || !status.Retryable(err) {
		t.Error(err)
	}
}
