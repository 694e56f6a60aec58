// SPDX-License-Identifier: Apache-2.0

package plexus_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// slowly returns a method that says when it began and waits to be let go, and how often it ran.
func slowly() (f func(context.Context, int) (string, error), began, goOn chan struct{}, runs *atomic.Int64) {
	began, goOn, runs = make(chan struct{}, 100), make(chan struct{}), new(atomic.Int64)
	return func(ctx context.Context, n int) (string, error) {
		run := runs.Add(1)
		began <- struct{}{}
		select {
		case <-goOn:
			return fmt.Sprintf("%d in run %d", n, run), nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}, began, goOn, runs
}

// cutPeer ends the one session of a server that lives, once there is one.
func cutPeer(srv *plexus.Server) {
	for {
		for _, p := range srv.Peers() {
			if s := p.Conversation(); s.Err() == nil {
				_ = s.CloseWith(&status.Error{Code: status.PeerGone, Message: "cut"}) // never fails
				return
			}
		}
		runtime.Gosched()
	}
}

// Direct: an idempotent call is executed once by the server, however often the connection is
// cut meanwhile.
func TestOnceDirect(t *testing.T) {
	for _, scheme := range []string{"unix", "tcp", "shm", "mem"} {
		t.Run(scheme, func(t *testing.T) {
			address := strings.Replace(path(t), "unix", scheme, 1)
			switch scheme {
			case "tcp":
				address = "tcp://127.0.0.1:0"
			case "mem":
				address = "mem://once-direct"
			}
			srv, err := plexus.Listen(address, nil)
			must(t, err)
			defer srv.Close()
			job, began, goOn, runs := slowly()
			_, err = plexus.Handle(srv, "job", job)
			must(t, err)
			var told states
			c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], told.options())
			must(t, err)
			defer c.Close()
			const calls = 20
			var wg sync.WaitGroup
			for n := range calls {
				wg.Go(func() {
					_, err := plexus.Call[string](t.Context(), c, "job", n, plexus.WithIdempotent())
					if err != nil {
						t.Error(n, err)
					}
				})
			}
			for range calls {
				<-began
			}
			for range 2 {
				told.await(t, client.Connected)
				cutPeer(srv)
			}
			told.await(t, client.Connected)
			close(goOn)
			wg.Wait()
			if runs.Load() != calls {
				t.Errorf("%d calls were executed %d times", calls, runs.Load())
			}
			if n := srv.Stats().Once; n.Answered+n.Joined < calls || n.Evicted+n.Unknown != 0 {
				t.Errorf("%+v", n)
			}
			// The next call says that the answers have come: they are forgotten.
			_, err = plexus.Call[string](t.Context(), c, "job", 100, plexus.WithIdempotent())
			must(t, err)
			if n := srv.Stats().Once; n.Kept != 1 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// Through a hub that is replaced by another one while the call is under way.
func TestOnceAcrossAHubRestart(t *testing.T) {
	address := path(t)
	srv := newHub(t, address)
	var told, toldCaller states
	provider, err := plexus.Dial(t.Context(), address, told.options())
	must(t, err)
	defer provider.Close()
	job, began, goOn, runs := slowly()
	_, err = plexus.Handle(provider.Channel("ch"), "job", job)
	must(t, err)
	caller, err := plexus.Dial(t.Context(), address, toldCaller.options())
	must(t, err)
	defer caller.Close()
	result := make(chan error, 1)
	go func() {
		v, err := plexus.Call[string](t.Context(), caller.Channel("ch"), "job", 1, plexus.WithIdempotent())
		if err == nil && v != "1 in run 1" {
			err = errors.New(v)
		}
		result <- err
	}()
	<-began
	for range 2 {
		srv.Close()
		told.await(t, client.Retrying)
		srv = newHub(t, address)
		told.await(t, client.Connected)
	}
	close(goOn)
	must(t, <-result)
	if runs.Load() != 1 {
		t.Error("executed", runs.Load(), "times")
	}
	if n := provider.Stats().Once; n.Kept != 1 || n.Answered+n.Joined == 0 {
		t.Errorf("%+v", n)
	}
}

// A client cannot have the answers of another: what counts is who the server knows it is, not
// what it says.
func TestOnceIsNotForOthers(t *testing.T) {
	srv, err := plexus.Listen(path(t), nil)
	must(t, err)
	defer srv.Close()
	var runs atomic.Int64
	_, err = plexus.Handle(srv, "job", func(context.Context, []byte) ([]byte, error) {
		runs.Add(1)
		return []byte("secret"), nil
	})
	must(t, err)
	message := func() session.Message {
		return session.Message{
			Codec: uint8(codec.IDRaw), Payload: []byte("x"), Idempotent: true, Source: 7,
			Once: &session.Once{Key: [16]byte{1, 2, 3}, Sequence: 1, Floor: 1, Attempt: 1},
		}
	}
	for n := range 2 {
		c, err := plexus.Dial(t.Context(), srv.Endpoints()[0], &plexus.DialOptions{ID: fmt.Sprint("client-", n)})
		must(t, err)
		defer c.Close()
		for range 3 {
			_, err = c.Method("job").Call(t.Context(), message(), nil)
			must(t, err)
		}
	}
	if runs.Load() != 2 {
		t.Error(runs.Load(), "runs")
	}
}
