// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A hub that may have 64 descriptors meets more connections than that: it says so in few
// lines, serves those who are there, uses no processor time over it, and when some have left
// lets others in, without a restart.
func TestNoDescriptorsLeft(t *testing.T) {
	w := newTown(t)
	w.hub.kill()
	cmd := exec.Command("sh", "-c", "ulimit -n 64; exec plexus -a '"+w.address+"' serve --handshake-timeout 1m")
	cmd.Dir, cmd.Env = w.dir, os.Environ()
	hub, err := startCommand(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.kill)
	if _, err := hub.await("^listening on "); err != nil {
		t.Fatal(err)
	}
	w.start("^providing ", "provide", "echo/echo", "--", "cat")
	c := w.dial()
	began := time.Now()
	var idle []net.Conn
	for range 150 { // those whom the hub has no descriptor for wait in the backlog
		x, err := net.Dial("unix", w.dir+"/hub")
		if err != nil {
			t.Fatal(err)
		}
		defer x.Close()
		idle = append(idle, x)
	}
	if _, err := hub.await("accept failed, trying again.*too many open files"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		w.works(c)
	}
	for _, x := range idle {
		x.Close()
	}
	for range 5 {
		w.works(w.dial())
	}
	took := time.Since(began)
	if n := strings.Count(hub.output(), "accept failed"); n > 1+int(took/(5*time.Second)) {
		t.Errorf("%d lines in %v:\n%s", n, took, hub.output())
	}
	if err := plexusStop(hub); err != nil {
		t.Error(err)
	}
	if spent := hub.cmd.ProcessState.UserTime() + hub.cmd.ProcessState.SystemTime(); spent > took/2+2*time.Second {
		t.Errorf("the hub used %v of processor time in %v", spent, took)
	}
}

// plexusStop has a hub end well.
func plexusStop(p *process) error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	_, err := p.wait()
	return err
}
