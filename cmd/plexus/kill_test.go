// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/status"
)

// The news of a death takes at most prompt: half of the time, because the machine that runs
// the tests may be busy with other things; and never longer than soon.
const (
	prompt = 100 * time.Millisecond
	soon   = 2 * time.Second
)

// deaths is how many of each kind are measured.
const deaths = 11

// town is a hub and what lives around it, in processes of their own.
type town struct {
	*testing.T
	dir, address string
	hub          *process
}

func newTown(t *testing.T) *town {
	dir, remove, err := runtimeDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	w := &town{T: t, dir: dir, address: "unix://" + dir + "/hub"}
	w.hub = w.start("^listening on ", "serve")
	return w
}

// start starts plexus and waits for a line, "" for none.
func (w *town) start(ready string, args ...string) *process {
	w.Helper()
	p, err := startProcess(os.Environ(), w.dir, append([]string{"-a", w.address}, args...)...)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(p.kill)
	if ready != "" {
		if _, err := p.await(ready); err != nil {
			w.Fatal(err)
		}
	}
	return p
}

// provide starts providers of a call that never ends and of a stream that never ends.
func (w *town) provide() []*process {
	return []*process{
		w.start("^providing ", "provide", "work/wait", "--", "sleep", "1000"),
		w.start("^providing ", "provide", "feed/ticks", "--stream", "--", "yes", "1"),
		w.start("^providing ", "provide", "echo/echo", "--", "cat"),
	}
}

func (w *town) dial() *plexus.Client {
	w.Helper()
	c, err := plexus.Dial(w.Context(), w.address, nil)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Close() })
	return c
}

// victim is a call and a stream that are under way.
type victim struct {
	call   *plexus.Future[json.RawMessage]
	stream chan error // gets the stream's end
}

// begin begins both and returns once the stream has brought something, so that the call,
// which was sent before, has been routed.
func (w *town) begin(c *plexus.Client) *victim {
	w.Helper()
	v := &victim{stream: make(chan error, 1)}
	v.call = plexus.Bind[any, json.RawMessage](c.Channel("work"), "wait").Go(context.Background(), nil)
	first := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var once sync.Once
		for _, err := range plexus.Stream[json.RawMessage, any](context.Background(), c.Channel("feed"), "ticks", nil) {
			if err != nil {
				v.stream <- err
				return
			}
			once.Do(func() { close(first) })
		}
		v.stream <- errors.New("the stream ended well")
	})
	w.Cleanup(func() { c.Close(); wg.Wait() })
	select {
	case <-first:
	case <-time.After(patience):
		w.Fatal("no item came")
	}
	return v
}

// told checks that call or stream has ended with a code, soon after since.
func (w *town) told(what string, since time.Time, err error, want ...status.Code) {
	w.Helper()
	took := time.Since(since)
	w.Logf("%s: %v after %v", what, err, took)
	for _, code := range want {
		if errors.Is(err, code) {
			if took > soon {
				w.Errorf("%s: it took %v", what, took)
			}
			return
		}
	}
	w.Errorf("%s: %v, want one of %v", what, err, want)
}

func (w *town) wait(f *plexus.Future[json.RawMessage]) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := f.Wait(ctx)
	return err
}

func (w *town) end(ch <-chan error) error {
	select {
	case err := <-ch:
		return err
	case <-time.After(patience):
		return errors.New("it hangs")
	}
}

// works checks that a call goes through the hub.
func (w *town) works(c *plexus.Client) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	out, err := plexus.Call[string](ctx, c.Channel("echo"), "echo", "still here")
	if err != nil || out != "still here" {
		w.Errorf("the hub does not work: %q, %v", out, err)
	}
}

func TestProviderKilled(t *testing.T) {
	w := newTown(t)
	providers := w.provide()
	c := w.dial()
	v := w.begin(c)
	since := time.Now()
	providers[0].kill()
	w.told("the call", since, w.wait(v.call), status.PeerGone)
	since = time.Now()
	providers[1].kill()
	w.told("the stream", since, w.end(v.stream), status.PeerGone)
	w.works(c)
	since = time.Now()
	_, err := plexus.Call[any](t.Context(), c.Channel("work"), "wait", 1)
	w.told("the next call", since, err, status.NoProvider)
	// The name is free again at once.
	w.start("^providing ", "provide", "work/wait", "--", "cat")
	if _, err := plexus.Call[any](t.Context(), c.Channel("work"), "wait", 1); err != nil {
		t.Error(err)
	}
}

func TestHubKilled(t *testing.T) {
	w := newTown(t)
	providers := w.provide()
	sub := w.start("^subscribed", "subscribe", "any/>")
	caller := w.start("", "call", "work/wait")
	c := w.dial()
	v := w.begin(c)
	since := time.Now()
	w.hub.kill()
	w.told("the call", since, w.wait(v.call), status.PeerGone)
	w.told("the stream", since, w.end(v.stream), status.PeerGone)
	for _, p := range append(providers, sub) {
		code, err := p.wait()
		if err != nil || code != exitLost {
			t.Errorf("%v ended with %d, %v: %s", p.cmd.Args, code, err, p.output())
		}
	}
	if code, err := caller.wait(); err != nil || code != exitLost && code != exitNobody { // it may not have come as far as the call
		t.Errorf("the caller ended with %d, %v: %s", code, err, caller.output())
	}
	// A restart needs no help.
	w.hub = w.start("^listening on ", "serve")
	w.provide()
	w.works(w.dial())
}

func TestConsumerKilled(t *testing.T) {
	w := newTown(t)
	mark := w.dir + "/mark"
	if err := syscall.Mkfifo(mark, 0o600); err != nil {
		t.Fatal(err)
	}
	// One at a time: the next call is served only once the command of the dead has been killed.
	w.start("^providing ", "provide", "one/wait", "--parallel", "1", "--", "sh", "-c", "read x; if [ $x = 1 ]; then echo >"+mark+"; sleep 1000; fi; echo $x")
	w.start("^providing ", "provide", "one/ticks", "--parallel", "1", "--stream", "--", "yes", "1")
	w.start("^providing ", "provide", "echo/echo", "--", "cat")
	call := w.start("", "call", "one/wait", "1")
	stream := w.start("^1$", "stream", "one/ticks")
	f, err := os.Open(mark) // until the command writes
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	c := w.dial()
	next := plexus.Bind[int, json.RawMessage](c.Channel("one"), "wait").Go(t.Context(), 2)
	since := time.Now()
	call.kill()
	if err := w.wait(next); err != nil {
		t.Error(err)
	}
	t.Logf("the next call was served %v after the death of the caller", time.Since(since))
	since = time.Now()
	stream.kill()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for v, err := range plexus.Stream[int, any](ctx, c.Channel("one"), "ticks", nil) {
		if err != nil || v != 1 {
			t.Error(v, err)
		}
		break
	}
	t.Logf("the next stream was served %v after the death of the consumer", time.Since(since))
	w.works(c)
}

// TestManyStarts: of many hubs that start at the same place at the same time exactly one
// serves, and the others say who is in the way.
func TestManyStarts(t *testing.T) {
	w := newTown(t)
	w.hub.kill()
	const n = 8
	all := make([]*process, n)
	for i := range all {
		all[i] = w.start("", "serve", "--id", fmt.Sprintf("h%d", i))
	}
	won := 0
	for _, p := range all {
		if _, err := p.await("^listening on "); err == nil {
			won++
			continue
		}
		if code, err := p.wait(); err != nil || code != exitRefused {
			t.Errorf("%d, %v: %s", code, err, p.output())
		}
	}
	if won != 1 {
		t.Errorf("%d hubs serve %s", won, w.address)
	}
}
