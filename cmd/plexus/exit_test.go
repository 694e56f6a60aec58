// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/plexus-ipc/plexus/status"
)

// TestExitTable: every code of package status has exactly one exit code, and the help
// names it.
func TestExitTable(t *testing.T) {
	b := newBench(t)
	exit, help, _ := b.run("", "help", "exit-codes")
	if exit != exitOK {
		t.Fatal(exit)
	}
	for code := range status.Code(status.Count) {
		n := 0
		for _, row := range exitTable() {
			for _, c := range row.codes {
				if c == code {
					n++
				}
			}
		}
		if n != 1 {
			t.Errorf("%v stands %d times in the table", code, n)
		}
		if !strings.Contains(help, code.String()) {
			t.Errorf("the help does not name %v", code)
		}
	}
}

func TestExitOf(t *testing.T) {
	remote := &status.Error{Code: status.InvalidArgument, Remote: true}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("some error"), exitFailed},
		{usagef("x"), exitUsage},
		{&status.Error{Code: status.InvalidArgument}, exitUsage},
		{remote, exitRefused},
		{status.NoProvider, exitNobody},
		{context.DeadlineExceeded, exitTime},
		{context.Canceled, exitInterrupted},
		{&status.Error{Code: status.NotOwner}, exitDenied},
		{&status.Error{Code: status.PeerGone}, exitLost},
		{&status.Error{Code: 4711}, exitFailed},
		{&interruption{os.Interrupt}, exitInterrupted},
		{&interruption{syscall.SIGTERM}, exitTerminated},
	} {
		if got := exitOf(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

// TestHelp: every command has help, and every flag says what it does.
func TestHelp(t *testing.T) {
	b := newBench(t)
	for _, verb := range []string{
		"serve", "call", "send", "broadcast", "publish", "subscribe", "stream", "provide", "members", "status", "stop",
		"endpoint", "endpoint parse", "endpoint convert", "demo", "bench", "doctor", "version", "completion", "completion bash",
	} {
		exit, out, errs := b.run("", append(strings.Fields(verb), "--help")...)
		if exit != exitOK || !strings.Contains(out, "Usage:") {
			t.Errorf("%s --help: %d %s %s", verb, exit, out, errs)
		}
	}
	if exit, out, _ := b.run("", "completion", "fish"); exit != exitOK || !strings.Contains(out, "__complete") {
		t.Error("completion fish:", exit)
	}
}

func TestVersionAndEndpoints(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"version"}, "plexus "},
		{[]string{"version", "-o", "json"}, `"schemes":["fd","mem",`},
		{[]string{"endpoint", "parse", "demo"}, "endpoint   auto:demo\n"},
		{[]string{"endpoint", "parse", "tab.tcp://127.0.0.1:80", "-o", "json"}, `{"endpoint":"tcp://127.0.0.1:80","spelling":"hyper","record":{"transport":"tcp","host":"127.0.0.1","port":80}`},
		{[]string{"endpoint", "parse", "unix:///x?mode=0660"}, "option mode  0660"},
		{[]string{"endpoint", "convert", "--to", "grpc", "unix:///run/x"}, "unix:/run/x\n"},
		{[]string{"endpoint", "convert", "/run/x,[::1]:80"}, "unix:///run/x,tcp://[::1]:80\n"},
	} {
		exit, out, errs := b.run("", c.args...)
		if exit != exitOK || !strings.Contains(out, c.want) {
			t.Errorf("%v: %d %q %q, want %q", c.args, exit, out, errs, c.want)
		}
	}
}
