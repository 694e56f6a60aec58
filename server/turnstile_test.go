// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// lines is a log that a test reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), what)
}

// More connections than may come in a second are sent away before they prove anything, each
// for longer than the one before; it is counted, and one line in the log.
func TestTooManyConnections(t *testing.T) {
	var log lines
	const rate = 5
	srv, dial, _ := start(t, server.Config{MaxSessionRate: rate, Log: log.logger()})
	var in, away int
	var last time.Duration
	for range 4 * rate {
		began := time.Now()
		_, err := dial("")
		if err == nil {
			in++
			continue
		}
		away++
		told := service.RetryAfter(err)
		if !errors.Is(err, status.Overloaded) || !status.Retryable(err) || told <= last-time.Since(began)-100*time.Millisecond || told > 30*time.Second {
			t.Fatalf("%v: %v after %v", err, told, last)
		}
		if l, ok := service.LimitOf(err); !ok || l.Name != "session_rate" || l.Bound != rate {
			t.Fatalf("%+v", l)
		}
		last = told
	}
	if in < rate || away == 0 || last < time.Second {
		t.Fatalf("%d came in, %d were sent away, the last for %v", in, away, last)
	}
	st := srv.Stats()
	for ; st.Handshakes > 0; st = srv.Stats() {
		runtime.Gosched() // the last refusal is told before it is counted
	}
	if st.Throttled != uint64(away) || st.Refused != uint64(away) || st.Sessions != in {
		t.Fatalf("%+v", st)
	}
	if log.count("sent away") != 1 || log.count("refused") != 0 {
		t.Fatal(log.b.String())
	}
}

// Who comes while all handshakes are taken by those that say nothing is told so in a moment,
// and comes in as soon as one is free.
func TestStuckHandshakes(t *testing.T) {
	srv, dial, at := start(t, server.Config{MaxHandshakes: 2, Session: session.Config{HandshakeTimeout: time.Minute}})
	var silent []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", at)
		must(t, err)
		defer c.Close()
		silent = append(silent, c)
	}
	began := time.Now()
	for i := range 5 {
		_, err := dial("")
		if !errors.Is(err, status.Overloaded) || service.RetryAfter(err) != time.Second || !strings.Contains(err.Error(), "2 connections are shaking hands") {
			t.Fatal(i, err)
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to say so five times", took)
	}
	if st := srv.Stats(); st.Throttled != 5 {
		t.Errorf("%+v", st)
	}
	silent[0].Close()
	for { // the server learns of it in its own time
		_, err := dial("")
		if err == nil {
			return
		}
		if !errors.Is(err, status.Overloaded) {
			t.Fatal(err)
		}
	}
}

// What is within the process is let in at any rate, and a program's own Screen is asked, too.
func TestWhoIsScreened(t *testing.T) {
	no := status.Errorf(status.Unavailable, "not today")
	_, dial, _ := start(t, server.Config{MaxSessionRate: 1, Session: session.Config{Screen: func() error { return no }}})
	if _, err := dial(""); !errors.Is(err, status.Unavailable) {
		t.Fatal(err)
	}
	srv := server.New(server.Config{MaxSessionRate: 1})
	defer srv.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 5 {
		near, far := mem.Pipe()
		wg.Go(func() { must(t, srv.ServeConn(far, true)) })
		s, err := session.Dial(t.Context(), transport.Conn(near), nil)
		must(t, err)
		defer func() { s.Close(); s.Wait() }()
	}
}

// Handshakes that end make room for those that wait: nobody is sent away because many come at
// the same moment.
func TestFewHandshakesForMany(t *testing.T) {
	const n = 50
	srv, dial, _ := start(t, server.Config{MaxHandshakes: 2})
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { _, _ = dial("") })
	}
	wg.Wait()
	if st := srv.Stats(); st.Accepted < n/2 { // the machine may stand still for a moment
		t.Errorf("%d of %d came in: %+v", st.Accepted, n, st)
	}
}
