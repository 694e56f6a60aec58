// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// judge logs how long the news of deaths took, and checks it.
func judge(t *testing.T, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("%d deaths: min %v, median %v, max %v; all: %v", len(took), took[0], median, took[len(took)-1], took)
	if median > prompt {
		t.Errorf("the median is %v, %v is allowed", median, prompt)
	}
	if took[len(took)-1] > soon {
		t.Errorf("one took %v, %v is allowed", took[len(took)-1], soon)
	}
}

// TestProviderDeathsAreToldSoon kills one provider after the other in the middle of a call.
func TestProviderDeathsAreToldSoon(t *testing.T) {
	w := newTown(t)
	c := w.dial()
	w.start("^providing ", "provide", "work/owner", "--", "cat") // it stays: with its owner the channel would end
	calls := make([]*plexus.Future[json.RawMessage], deaths)
	providers := make([]*process, deaths)
	for i := range deaths {
		name := fmt.Sprint("wait", i)
		providers[i] = w.start("^providing ", "provide", "work/"+name, "--", "sleep", "1000")
		calls[i] = plexus.Bind[any, json.RawMessage](c.Channel("work"), name).Go(context.Background(), nil)
	}
	if _, err := plexus.Call[string](t.Context(), c.Channel("work"), "owner", "all were sent"); err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	for i, p := range providers {
		since := time.Now()
		p.kill()
		w.told("the call", since, w.wait(calls[i]), status.PeerGone)
		took = append(took, time.Since(since))
	}
	judge(t, took)
}

// TestHubDeathsAreToldSoon kills one hub after the other.
func TestHubDeathsAreToldSoon(t *testing.T) {
	w := newTown(t)
	var took []time.Duration
	for i := range deaths {
		if i > 0 {
			w.hub = w.start("^listening on ", "serve")
		}
		provider, caller := w.dial(), w.dial()
		running := make(chan struct{})
		_, err := plexus.Handle(provider.Channel("work"), "wait", func(ctx context.Context, _ any) (any, error) {
			close(running)
			<-ctx.Done()
			return nil, ctx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		call := plexus.Bind[any, json.RawMessage](caller.Channel("work"), "wait").Go(context.Background(), nil)
		<-running
		since := time.Now()
		w.hub.kill()
		w.told("the call", since, w.wait(call), status.PeerGone)
		took = append(took, time.Since(since))
		for _, c := range []*plexus.Client{provider, caller} {
			select {
			case <-c.Done():
			case <-time.After(patience):
				t.Fatal("a client does not know")
			}
			c.Close()
		}
	}
	judge(t, took)
}

// TestConsumerDeathsAreToldSoon kills one caller after the other: the provider's handler is
// told that nobody waits any more.
func TestConsumerDeathsAreToldSoon(t *testing.T) {
	w := newTown(t)
	c := w.dial()
	began, ended := make(chan int, deaths), make(chan error, 1)
	_, err := plexus.Handle(c.Channel("one"), "wait", func(ctx context.Context, n int) (any, error) {
		began <- n
		<-ctx.Done()
		ended <- status.Convert(context.Cause(ctx))
		return nil, ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	callers := make([]*process, deaths)
	for i := range callers {
		callers[i] = w.start("", "call", "one/wait", fmt.Sprint(i))
	}
	for range callers {
		<-began
	}
	var took []time.Duration
	for _, p := range callers {
		since := time.Now()
		p.kill()
		w.told("the handler", since, w.end(ended), status.Cancelled, status.PeerGone)
		took = append(took, time.Since(since))
	}
	judge(t, took)
}
