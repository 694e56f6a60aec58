// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/supervise"
)

// shell makes a Config of a script that knows nothing but its environment.
func shell(script string) *supervise.Config {
	return &supervise.Config{
		Argv: []string{"sh", "-c", script}, Handover: supervise.None, Ready: supervise.Said,
		StartTimeout: patience, StopTimeout: patience,
	}
}

// TestReports: a script says that it is ready, and where it listens; nonsense is passed over.
func TestReports(t *testing.T) {
	leak.Check(t)
	cfg := shell(`f() { echo "$@" >&$PLEXUS_LIFELINE; }; f; f what; f ready ://; f ready unix:///s; exec sleep 1000`)
	var said logged
	cfg.Log = slog.New(slog.NewTextHandler(&said, nil))
	c := begin(t, cfg)
	if c.Endpoint() != "unix:///s" {
		t.Errorf("%q", c.Endpoint())
	}
	check(t, c.Stop(t.Context()))
	if !strings.Contains(said.String(), "reports an address that is none") {
		t.Errorf("%q", said.String())
	}
}

// TestFloodedLifeline: what is no line is read to its end and does no harm.
func TestFloodedLifeline(t *testing.T) {
	leak.Check(t)
	cfg := shell(`head -c 1000000 /dev/zero >&$PLEXUS_LIFELINE; echo over; exec sleep 1000`)
	over := make(chan struct{})
	cfg.Ready, cfg.Output = supervise.Started, func(supervise.Line) { close(over) }
	c := begin(t, cfg)
	await(t, over, "the end of the flood")
	check(t, c.Stop(t.Context()))
}

// TestAsked: who watches the lifeline is asked and not signalled.
func TestAsked(t *testing.T) {
	leak.Check(t)
	c := begin(t, shell(`trap "exit 9" TERM; echo here >&$PLEXUS_LIFELINE; echo ready >&$PLEXUS_LIFELINE; eval "cat <&$PLEXUS_LIFELINE"`))
	check(t, c.Stop(t.Context()))
	check(t, c.Err())
}

// TestAddress: a child is connected with somebody else, by his address or by a connection.
func TestAddress(t *testing.T) {
	leak.Check(t)
	srv, err := plexus.Listen("tcp://127.0.0.1:0", nil)
	check(t, err)
	defer srv.Close()
	for _, way := range []supervise.Handover{supervise.FD, supervise.Env, supervise.Args, supervise.Dapper} {
		cfg := self("greet")
		cfg.Handover, cfg.Address, cfg.Ready, cfg.Server = way, srv.Endpoints()[0], supervise.Said, srv
		c := begin(t, cfg)
		if len(srv.Peers()) != 1 || c.Peer() != nil || c.Server() != nil {
			t.Errorf("%s: %d peers", way, len(srv.Peers()))
		}
		got, err := plexus.Call[string](t.Context(), srv.Peers()[0], "greet", "world")
		if check(t, err); got != "hello, world" {
			t.Errorf("%q", got)
		}
		gone := srv.Peers()[0].Conversation().Done()
		check(t, c.Stop(t.Context()))
		await(t, gone, "the end of the session")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, l.Close())
	for address, code := range map[string]status.Code{
		"tcp://" + l.Addr().String(): status.Unavailable, "://": status.InvalidArgument, "tls://localhost:1": status.Unavailable,
	} {
		cfg := self("greet")
		cfg.Handover, cfg.Address = supervise.FD, address
		_, err = supervise.Start(t.Context(), cfg)
		wantCode(t, err, code)
	}
}

// TestHub: children that share a hub are its members.
func TestHub(t *testing.T) {
	leak.Check(t)
	srv, err := plexus.NewServer(&plexus.ListenOptions{Hub: hub.New(hub.Config{})})
	check(t, err)
	defer srv.Close()
	self := begin(t, func() *supervise.Config { c := self("member"); c.Server = srv; return c }())
	client, err := plexus.Join(t.Context(), srv, nil)
	check(t, err)
	defer client.Close()
	got, err := plexus.Call[string](t.Context(), client.Channel("work"), "greet", "world")
	if check(t, err); got != "hello, world" {
		t.Errorf("%q", got)
	}
	check(t, self.Stop(t.Context()))
}

// logged collects text.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
