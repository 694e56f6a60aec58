// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plexus-ipc/plexus/internal/leak"
)

// watched runs the tests under watch.
type watched struct{ m *testing.M }

// quickExit spares each process that was built with -race a second of sleep at its end.
const quickExit = "atexit_sleep_ms=0"

// Run implements testscript.TestingM.
func (w watched) Run() int {
	os.Setenv("GORACE", quickExit)
	return leak.Run(w.m)
}

// TestMain makes this program the command "plexus" of scripts and of tests that start
// processes.
func TestMain(m *testing.M) {
	testscript.Main(watched{m}, map[string]func(){"plexus": main, "plexus-crowd": crowd})
}
