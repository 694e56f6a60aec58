// SPDX-License-Identifier: Apache-2.0

//go:build unix

package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
)

// manager does what a service manager does: it holds the sockets, starts the hub with them,
// and hears what it says.
type manager struct {
	*town
	sockets []*os.File
	hears   *net.UnixConn
	at      string // where it hears
}

func newManager(t *testing.T, abstract bool) *manager {
	w := newTown(t)
	w.hub.kill()
	m := &manager{town: w, at: w.dir + "/notify"}
	if abstract {
		m.at = fmt.Sprintf("@plexus-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	}
	var err error
	if m.hears, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.at, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.hears.Close() })
	return m
}

// listen binds a socket that the hub is to be handed and returns its address.
func (m *manager) listen(network, address string) net.Addr {
	m.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		m.Fatal(err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		m.Fatal(err)
	}
	l.Close()
	m.Cleanup(func() { f.Close() })
	m.sockets = append(m.sockets, f)
	return l.Addr()
}

// serve starts the hub with the sockets. The shell gives it the one number that is known only
// once it runs.
func (m *manager) serve(args string, env ...string) *process {
	m.Helper()
	cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ exec plexus serve "+args)
	cmd.Dir, cmd.ExtraFiles = m.dir, m.sockets
	cmd.Env = append(os.Environ(), append([]string{fmt.Sprint("LISTEN_FDS=", len(m.sockets)), "NOTIFY_SOCKET=" + m.at}, env...)...)
	p, err := startCommand(cmd)
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(p.kill)
	return p
}

// hear waits for a datagram with an assignment and returns it.
func (m *manager) hear(want string) string {
	m.Helper()
	b := make([]byte, 4096)
	for {
		if err := m.hears.SetReadDeadline(time.Now().Add(patience)); err != nil {
			m.Fatal(err)
		}
		n, err := m.hears.Read(b)
		if err != nil {
			m.Fatalf("no %s: %v", want, err)
		}
		for line := range bytes.Lines(b[:n]) {
			if strings.TrimSpace(string(line)) == want {
				return string(b[:n])
			}
		}
	}
}

// A hub serves the sockets that a service manager has handed over, with its own rules about
// who may come; says when it is ready, that it lives, and that it ends; and leaves the sockets
// to the manager: who comes while it is away is served by the next.
func TestServiceManager(t *testing.T) {
	m := newManager(t, runtime.GOOS == "linux")
	m.listen("unix", m.dir+"/handed")
	port := m.listen("tcp", "127.0.0.1:0")
	hub := m.serve("--handshake-timeout 1m", "LISTEN_FDNAMES=local:remote", "WATCHDOG_USEC=100000", "WATCHDOG_PID=")
	ready := m.hear("READY=1")
	if !strings.Contains(ready, "STATUS=hub ") {
		t.Errorf("%q", ready)
	}
	for range 3 {
		m.hear("WATCHDOG=1")
	}
	m.address = "unix://" + m.dir + "/handed"
	m.start("^providing ", "provide", "echo/echo", "--", "cat")
	m.works(m.dial())
	m.address = "tcp://" + port.String()
	m.works(m.dial())
	hub.kill()
	late := make(chan error, 1)
	go func() {
		c, err := plexus.Dial(t.Context(), "unix://"+m.dir+"/handed", nil)
		if err == nil {
			err = c.Close()
		}
		late <- err
	}()
	hub = m.serve("--listen unix://" + m.dir + "/own")
	m.hear("READY=1")
	if err := <-late; err != nil {
		t.Error("who came while there was no hub:", err)
	}
	m.address = "unix://" + m.dir + "/own"
	m.start("^providing ", "provide", "echo/echo", "--", "cat")
	m.works(m.dial())
	if runtime.GOOS == "linux" {
		m.address = "shm://" + m.dir + "/handed"
		m.works(m.dial())
	}
	if err := hub.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.hear("STOPPING=1")
	if code, err := hub.wait(); err != nil || code != exitOK {
		t.Errorf("%d, %v: %s", code, err, hub.output())
	}
	if _, err := os.Stat(m.dir + "/handed"); err != nil {
		t.Error("the manager's socket has gone:", err)
	}
	if _, err := os.Stat(m.dir + "/own"); err == nil {
		t.Error("the hub's own socket is still there")
	}
}

// What is handed over and is no socket that listens, ends the start with a sentence.
func TestServiceManagerHandsOverSomethingElse(t *testing.T) {
	m := newManager(t, false)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m.sockets = append(m.sockets, f)
	hub := m.serve("")
	if code, err := hub.wait(); err != nil || code != exitUsage || !strings.Contains(hub.output(), "fd://3: it is no socket") {
		t.Errorf("%d, %v: %s", code, err, hub.output())
	}
	m.sockets = nil
	hub = m.serve("", "LISTEN_FDS=many")
	if code, err := hub.wait(); err != nil || code != exitUsage || !strings.Contains(hub.output(), "LISTEN_FDS") {
		t.Errorf("%d, %v: %s", code, err, hub.output())
	}
}

// The variables are taken out of the environment, also where they are meant for others.
func TestManagersVariablesAreUnset(t *testing.T) {
	for name, v := range map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "NOTIFY_SOCKET": "", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"} {
		t.Setenv(name, v)
	}
	a := newApp(nil, nil, nil, os.LookupEnv)
	var c daemon.Config
	if err := a.underManager(&c); err != nil || len(c.Inherited) != 0 || c.Notify != nil {
		t.Fatal(c.Inherited, err)
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if v, ok := os.LookupEnv(name); ok {
			t.Errorf("%s=%s is still set", name, v)
		}
	}
}
