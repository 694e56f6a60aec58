// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/server"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func TestStats(t *testing.T) {
	var lines journal
	srv, dial, _ := start(t, server.Config{MaxSessions: 2, Log: slog.New(slog.NewTextHandler(&lines, nil))})
	_, err := srv.Offer(t.Context(), "echo", service.Terms{}, func(c *session.Call) { c.Reply(session.Message{Payload: c.Payload}) })
	must(t, err)
	a, err := dial("a")
	must(t, err)
	b, err := dial("b")
	must(t, err)
	echo := session.Bind{Class: session.ClassMethod, Name: "echo"}
	for range 10 {
		_, err := a.Route(echo).Call(t.Context(), session.Message{Payload: make([]byte, 1000)}, nil)
		must(t, err)
	}
	for range 3 {
		_, err = dial("c")
		limit, ok := service.LimitOf(err)
		if !errors.Is(err, status.LimitExceeded) || !ok || limit != (operation.Limit{Name: "sessions", Scope: "server", Usage: 2, Bound: 2}) {
			t.Fatalf("%v: %+v", err, limit)
		}
	}
	if n := strings.Count(lines.String(), "a limit was hit"); n == 0 || n == 3 || !strings.Contains(lines.String(), `top="anonymous (2)"`) {
		t.Fatalf("%d: %s", n, lines.String())
	}
	if st := srv.Stats(); st.Sessions != 2 || st.Accepted != 2 || st.Traffic.Received < 10 || st.Traffic.RecvBytes < 10_000 || st.Traffic.SentBytes < 10_000 {
		t.Fatalf("%+v", st)
	}
	a.Close()
	a.Wait()
	for srv.Stats().Sessions != 1 {
		must(t, b.Ping(t.Context())) // the server learns of the end in its own time
	}
	rep, err := b.Route(session.Bind{Class: session.ClassMethod, Channel: operation.Channel, Name: operation.Stats}).Call(t.Context(), session.Message{}, nil)
	must(t, err)
	var st operation.HubStats
	must(t, json.Unmarshal(rep.Payload, &st))
	if st.Sessions != 1 || st.SessionsTotal != 2 || st.Methods != 1 || st.Received.Bytes < 10_000 {
		t.Fatalf("%+v", st)
	}
	if st := srv.Stats(); st.Refused != 3 {
		t.Fatalf("%+v", st)
	}
}
