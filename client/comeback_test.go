// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// doorman sends away all but the first, and those who come after so many.
type doorman struct {
	away  []time.Duration // for how long, one after the other
	began time.Time
	keep  *session.Keeper

	mu    sync.Mutex
	came  []time.Duration
	first *session.Session
	wg    sync.WaitGroup
}

// dial is a client's Dial.
func (d *doorman) dial(context.Context) (transport.Conn, error) {
	near, far := mem.Pipe()
	d.mu.Lock()
	n := len(d.came)
	d.came = append(d.came, time.Since(d.began))
	d.mu.Unlock()
	cfg := &session.Config{Keeper: d.keep, Screen: func() error {
		if n == 0 || n > len(d.away) {
			return nil
		}
		details, _ := json.Marshal(operation.Limit{Name: "session_rate", RetryAfter: d.away[n-1].Seconds()})
		return &status.Error{Code: status.Overloaded, Message: "too many", Details: details}
	}}
	d.wg.Go(func() {
		s, err := session.Accept(context.Background(), far, cfg)
		if err != nil {
			return
		}
		d.mu.Lock()
		if d.first == nil {
			d.first = s
		}
		d.mu.Unlock()
		s.Wait()
	})
	return near, nil
}

// A Client that is sent away comes back when it was told to, not before, and a little later
// than that; for how long does not grow with the attempts.
func TestSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &doorman{away: []time.Duration{3 * time.Second, 20 * time.Second, 10 * time.Millisecond, time.Hour}, began: time.Now(), keep: new(session.Keeper)}
		c := client.New(client.Config{Dial: d.dial, Session: session.Config{Keeper: d.keep}, Reconnect: &client.Reconnect{MaxDelay: time.Millisecond}})
		if err := c.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		d.first.Close()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i, least := range []time.Duration{3 * time.Second, 20 * time.Second, 200 * time.Millisecond, 5 * time.Minute} {
			if i+2 >= len(d.came) {
				t.Fatalf("it came at %v", d.came)
			}
			if pause := d.came[i+2] - d.came[i+1]; pause < least || pause > least+least/4+100*time.Millisecond {
				t.Errorf("told to stay away for %v, it came back after %v", d.away[i], pause)
			}
		}
		if len(d.came) != 6 || !c.Stats().Connected {
			t.Errorf("it came at %v and is connected: %v", d.came, c.Stats().Connected)
		}
		c.Close()
		d.wg.Wait()
		time.Sleep(time.Second) // the Keeper goes home
	})
}

// A Client that does not reconnect says for how long it was sent away.
func TestDialTellsWhenToComeBack(t *testing.T) {
	d := &doorman{away: []time.Duration{1500 * time.Millisecond}, came: make([]time.Duration, 1)}
	c := client.New(client.Config{Dial: d.dial})
	err := c.Connect(t.Context())
	if !errors.Is(err, status.Overloaded) || service.RetryAfter(err) != 1500*time.Millisecond || !status.Retryable(err) {
		t.Error(err)
	}
	c.Close()
	d.wg.Wait()
}
