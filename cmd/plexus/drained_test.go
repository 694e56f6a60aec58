// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
)

// A hub that is stopped while a subscriber is stopped, a call hangs and thousands of messages
// wait, ends when its time is up; it and whoever stopped it say what was not done, and its
// socket has gone.
func TestStopTellsWhatWasNotDelivered(t *testing.T) {
	w := newTown(t)
	w.hub.kill()
	w.hub = w.start("^listening on ", "serve", "--allow-stop", "--drain-timeout", "500ms")
	w.start("^providing ", "provide", "work/wait", "--", "sleep", "1000")
	sub := w.start("^subscribed", "subscribe", "feed/ticks", "--queue", "20000")
	if err := sub.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c := w.dial()
	hangs := plexus.Bind[any, json.RawMessage](c.Channel("work"), "wait").Go(t.Context(), nil)
	feed := c.Channel("feed")
	if _, err := plexus.Declare(feed, "ticks"); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", 500)
	for range 10_000 {
		if err := plexus.Publish(t.Context(), feed, "ticks", text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := plexus.Call[any](t.Context(), feed, "nothing", 1); err == nil {
		t.Fatal("somebody provides nothing")
	}
	began := time.Now()
	stop := w.start("", "stop", "-o", "json")
	if code, err := stop.wait(); err != nil || code != exitOK {
		t.Fatalf("%d, %v: %s", code, err, stop.output())
	}
	if code, err := w.hub.wait(); err != nil || code != exitOK {
		t.Fatalf("%d, %v: %s", code, err, w.hub.output())
	}
	took := time.Since(began)
	var line struct {
		Stopped bool `json:"stopped"`
		operation.DrainReport
	}
	if err := json.Unmarshal([]byte(stop.output()), &line); err != nil {
		t.Fatal(err, stop.output())
	}
	t.Logf("after %v: %+v", took, line)
	if !line.Stopped || line.CallsCut != 1 || line.Undelivered < 1000 || len(line.Left) != 1 || line.Left[0].Channel != "feed" || line.Left[0].Name != "ticks" {
		t.Errorf("%+v", line)
	}
	if took > soon+500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if _, err := w.hub.await(`^ended \(stopped\): .* 1 calls cut, [0-9]+ messages not delivered \([0-9]+ of feed/ticks to m-`); err != nil {
		t.Error(err)
	}
	if err := w.wait(hangs); err == nil {
		t.Error("the call ended well")
	}
	if _, err := os.Stat(w.dir + "/hub"); err == nil {
		t.Error("the socket is still there")
	}
}

func TestDrainedInALine(t *testing.T) {
	r := operation.DrainReport{CallsCut: 2, Undelivered: 30, Others: 3}
	for range 7 {
		r.Left = append(r.Left, operation.Undelivered{Member: "m", Channel: "c", Name: "n", Messages: 4})
	}
	const each = "4 of c/n to m, "
	if got := drained(&r); got != "2 calls cut, 30 messages not delivered ("+strings.Repeat(each, 5)+"5 more)" {
		t.Error(got)
	}
	if got := drained(&operation.DrainReport{}); got != "0 calls cut, 0 messages not delivered" {
		t.Error(got)
	}
}
