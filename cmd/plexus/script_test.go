// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs testdata/script. Besides the usual commands there are:
//
//	start NAME READY plexus-args...   start plexus, wait for a line that matches READY (- for none)
//	line NAME PATTERN                 wait for a line of NAME that matches
//	endpoint NAME SCHEME VAR          put the address that NAME listens on into $VAR
//	signal NAME HUP|INT|TERM|KILL     send a signal
//	ends NAME CODE                    wait for its end with that exit code
//	fails CODE plexus-args...         run plexus, which must end with that exit code
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			dir, remove, err := runtimeDir()
			if err != nil {
				return err
			}
			e.Defer(remove)
			e.Setenv("XDG_RUNTIME_DIR", dir)
			e.Setenv("GORACE", quickExit)
			e.Values[key] = make(map[string]*process)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": cmdStart, "line": cmdLine, "endpoint": cmdEndpoint, "signal": cmdSignal, "ends": cmdEnds, "fails": cmdFails,
		},
	})
}

// key is where the processes of a script are, by name.
const key = "processes"

func all(ts *testscript.TestScript) map[string]*process {
	return ts.Value(key).(map[string]*process)
}

func named(ts *testscript.TestScript, args []string, n int) *process {
	if len(args) != n {
		ts.Fatalf("%d arguments are needed", n)
	}
	p := all(ts)[args[0]]
	if p == nil {
		ts.Fatalf("there is no process %s", args[0])
	}
	return p
}

func cmdStart(ts *testscript.TestScript, _ bool, args []string) {
	env := []string{"PATH=" + ts.Getenv("PATH"), "TMPDIR=" + ts.Getenv("TMPDIR"), "HOME=" + ts.Getenv("HOME")}
	for _, name := range []string{"XDG_RUNTIME_DIR", "PLEXUS_ADDRESS", "PLEXUS_SECRET", "PLEXUS_PASSWORD", "PLEXUS_TOKEN", "GOCOVERDIR", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	p, err := startProcess(env, ts.MkAbs("."), args[2:]...)
	ts.Check(err)
	all(ts)[args[0]] = p
	ts.Defer(p.kill)
	if args[1] != "-" {
		_, err = p.await(args[1])
		ts.Check(err)
	}
}

func cmdLine(ts *testscript.TestScript, _ bool, args []string) {
	l, err := named(ts, args, 2).await(args[1])
	ts.Check(err)
	ts.Logf("%s", l)
}

func cmdEndpoint(ts *testscript.TestScript, _ bool, args []string) {
	l, err := named(ts, args, 3).await("^listening on " + args[1] + ":")
	ts.Check(err)
	ts.Setenv(args[2], strings.TrimPrefix(l, "listening on "))
}

func cmdSignal(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	ts.Check(named(ts, args, 2).cmd.Process.Signal(signals[args[1]]))
}

func cmdEnds(ts *testscript.TestScript, _ bool, args []string) {
	p := named(ts, args, 2)
	code, err := p.wait()
	ts.Check(err)
	if strconv.Itoa(code) != args[1] {
		ts.Fatalf("%s ended with %d:\n%s", args[0], code, p.output())
	}
}

func cmdFails(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("plexus", args[1:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}
