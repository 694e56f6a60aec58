// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

const childEnv = "PLEXUS_SHM_TEST_CHILD"

// TestMain also serves as the child process of some tests, see child_linux_test.go.
func TestMain(m *testing.M) {
	if verb := os.Getenv(childEnv); verb != "" {
		os.Exit(child(verb))
	}
	leak.Main(m)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// path returns a free address.
func path(t testing.TB) endpoint.Endpoint {
	t.Helper()
	dir, err := os.MkdirTemp("", "plexus")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	ep, err := endpoint.Parse("shm://" + filepath.ToSlash(filepath.Join(dir, "s")))
	check(t, err)
	return ep
}

// plain returns the two ends of a unix connection that can be upgraded.
func plain(t testing.TB, dialling, listening *shm.Options) (a, b transport.Conn) {
	t.Helper()
	l, err := shm.New(socket.Unix(), listening).Listen(t.Context(), path(t), nil)
	check(t, err)
	defer l.Close()
	a, err = shm.New(socket.Unix(), dialling).Dial(t.Context(), l.Endpoint(), nil)
	check(t, err)
	b, err = l.Accept()
	check(t, err)
	return a, b
}

// pair returns the two ends of an upgraded connection.
func pair(t testing.TB, o *shm.Options) (a, b transport.Conn) {
	t.Helper()
	a, b = plain(t, o, o)
	a2, b2, err := upgrade(a, b)
	check(t, err)
	return a2, b2
}

type result struct {
	c   transport.Conn
	err error
}

// upgrade does what a session does in the UPGRADE step.
func upgrade(a, b transport.Conn) (a2, b2 transport.Conn, err error) {
	accepted := make(chan result, 1)
	go func() {
		c, err := acceptUpgrade(b)
		accepted <- result{c, err}
	}()
	a2, err = offerUpgrade(a)
	r := <-accepted
	if err == nil {
		err = r.err
	}
	return a2, r.c, err
}
