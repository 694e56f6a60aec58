// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// demoRows is how many rows a demo has: 13 patterns, two routes, two transports.
const demoRows = 13 * 2 * 2

func TestDemo(t *testing.T) {
	p, err := startProcess(demoEnv(t), "", "demo", "-o", "json", "internal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	code, err := p.wait()
	if err != nil || code != exitOK {
		t.Fatal(code, err, p.output())
	}
	var s struct {
		OK        bool
		Processes int
		Files     int
		Rows      []struct {
			Pattern, Route, Transport string
			Count                     int
			OK                        bool
		}
	}
	if err := json.Unmarshal([]byte(p.output()), &s); err != nil {
		t.Fatal(err, p.output())
	}
	if !s.OK || len(s.Rows) != demoRows || s.Processes != 8 {
		t.Errorf("%+v", s)
	}
	nothingLeft(t, "demo")
}

// TestDemoInterrupted: wherever it is, it leaves nothing behind.
func TestDemoInterrupted(t *testing.T) {
	p, err := startProcess(demoEnv(t), "", "demo", "internal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	awaitFile(t, filepath.Join(os.TempDir(), "plexus-demo-*", "*.sock"))
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	code, err := p.wait()
	if err != nil || code != exitInterrupted {
		t.Error(code, err, p.output())
	}
	nothingLeft(t, "demo")
}

// TestDemoKilled: not even a parent that is killed leaves processes, and the hub sees to
// the files.
func TestDemoKilled(t *testing.T) {
	p, err := startProcess(demoEnv(t), "", "demo", "internal")
	if err != nil {
		t.Fatal(err)
	}
	awaitFile(t, filepath.Join(os.TempDir(), "plexus-demo-*", "index.sock"))
	p.kill() // returns when nobody holds its stderr any more: no child is left
	nothingLeft(t, "demo")
}

// demoEnv is the environment; TMPDIR is that of this test run.
func demoEnv(t *testing.T) []string {
	t.Helper()
	return append(os.Environ(), "TMPDIR="+os.TempDir())
}

// awaitFile waits for a file, without an event to wait for.
func awaitFile(t *testing.T, pattern string) {
	t.Helper()
	if !poll(func() bool { found, _ := filepath.Glob(pattern); return len(found) > 0 }) {
		t.Fatal("no", pattern)
	}
}

// nothingLeft looks for files and processes of a verb that starts children.
func nothingLeft(t *testing.T, verb string) {
	t.Helper()
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "plexus-"+verb+"-*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	if left := roles(verb); len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// roles lists the children of a verb that this test run has started, where /proc tells.
func roles(verb string) []string {
	var found []string
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), "\x00"+verb+"-role\x00") {
			continue
		}
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if strings.Contains(string(env), "TMPDIR="+os.TempDir()+"\x00") {
			found = append(found, path)
		}
	}
	return found
}
