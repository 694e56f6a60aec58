// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"errors"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// A client that does nothing is ended by IdleTimeout, heartbeats or not, and told why; one that
// waits for publications stays.
func TestIdleClients(t *testing.T) {
	const limit = 300 * time.Millisecond
	r := start(t, daemon.Config{Listen: []string{unix(t)}, IdleTimeout: limit, Heartbeat: limit / 10, HeartbeatGrace: 20 * time.Second})
	dial := func() (*plexus.Client, *session.Session) {
		c, err := plexus.Dial(t.Context(), r.Endpoints()[0], nil)
		must(t, err)
		t.Cleanup(func() { c.Close() })
		s, err := c.Session(t.Context())
		must(t, err)
		return c, s
	}
	waits, stays := dial()
	sub, err := plexus.Subscribe[int](t.Context(), waits.Channel("c"), "t")
	must(t, err)
	defer sub.Close()
	_, idle := dial()
	began := time.Now()
	select {
	case <-idle.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("an idle client is still there")
	}
	t.Logf("ended after %v", time.Since(began).Round(time.Millisecond))
	te, ok := errors.AsType[*session.TimeoutError](idle.Err())
	if !ok || te.Limit != session.IdleLimit || te.After != limit || status.CodeOf(idle.Err()) != status.Unavailable {
		t.Error(idle.Err())
	}
	<-time.After(2 * limit)
	if stays.Err() != nil {
		t.Errorf("a subscriber was ended: %v", stays.Err())
	}
}
