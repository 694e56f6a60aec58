// SPDX-License-Identifier: Apache-2.0

package hubtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/client"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// Member is a client of the Hub, and the connection between the two, which can be made
// worse. Its methods are safe for concurrent use.
type Member struct {
	*client.Client // a *plexus.Client

	hub *Hub

	mu        sync.Mutex
	near, far mem.Faults // what the member and the hub send
	stalled   bool
	conns     []*mem.Conn        // the two ends of the present connection
	sessions  []*session.Session // the hub's ends, the present one last
}

// dial implements client.Config.Dial.
func (m *Member) dial(context.Context) (transport.Conn, error) {
	near, far := mem.Pipe()
	m.mu.Lock()
	m.conns = []*mem.Conn{near, far}
	m.applyLocked()
	m.mu.Unlock()
	ctx := context.WithoutCancel(m.hub.t.Context()) // it ends with the connection
	m.hub.wg.Go(func() { m.hub.serve(ctx, m, far) })
	return near, nil
}

// accepted notes the hub's end.
func (m *Member) accepted(s *session.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions = append(m.sessions, s)
}

// ends returns the hub's ends of all connections.
func (m *Member) ends() []*session.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*session.Session(nil), m.sessions...)
}

// HubSession returns the hub's end of the member's connection, nil before there is one: its
// Stats tell what waits for the member.
func (m *Member) HubSession() *session.Session {
	if all := m.ends(); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// Cut breaks the connection at once, as the death of the member's process would, also of one
// that is stalled: what is under way still arrives.
func (m *Member) Cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.Cut()
	}
	m.stalled, m.near.Stall, m.far.Stall = false, false, false
	m.applyLocked()
}

// Stall stops the member as SIGSTOP would: nothing arrives, in neither direction, until
// Resume. The hub can send on until the connection is full (64 KiB and more).
func (m *Member) Stall() { m.stall(true) }

// Resume ends Stall.
func (m *Member) Resume() { m.stall(false) }

func (m *Member) stall(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stalled = on
	m.applyLocked()
}

// Slow makes every frame arrive that much later, in both directions; 0 ends it. Frames keep
// their order.
func (m *Member) Slow(delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.near.Delay, m.far.Delay = delay, delay
	m.applyLocked()
}

// Script sets the faults of what the member sends and of what it is sent, from now on. A
// session takes its connection for reliable: frames that are lost or changed end it, or
// have calls wait for their deadline.
func (m *Member) Script(sends, gets mem.Faults) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.near, m.far = sends, gets
	m.applyLocked()
}

func (m *Member) applyLocked() {
	for i, f := range []mem.Faults{m.near, m.far} {
		if i < len(m.conns) {
			f.Stall = f.Stall || m.stalled
			m.conns[i].SetFaults(f)
		}
	}
}

// heal ends all faults.
func (m *Member) heal() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stalled, m.near, m.far = false, mem.Faults{}, mem.Faults{}
	m.applyLocked()
}

// Gone returns when the hub has noticed that the member has gone, and has told everybody:
// after Cut, Close, or a kick. Its id is free then. A member that never came is gone.
func (m *Member) Gone() {
	m.hub.t.Helper()
	ctx, cancel := m.hub.patience()
	defer cancel()
	s := m.HubSession()
	if s == nil {
		return
	}
	over := make(chan struct{})
	m.hub.wg.Go(func() {
		s.Wait()
		close(over)
	})
	select {
	case <-over:
	case <-ctx.Done():
		m.hub.t.Fatalf("hubtest: the hub still has %s", m.ID())
	}
}

// settle has both ends read what the other has sent.
func (m *Member) settle(ctx context.Context, t testing.TB) {
	t.Helper()
	m.mu.Lock()
	skip := m.stalled || m.near.Stall || m.far.Stall || len(m.sessions) == 0
	m.mu.Unlock()
	far := m.HubSession()
	if skip || far.Err() != nil {
		return
	}
	near, err := m.Session(ctx)
	if err == nil && near.Err() == nil {
		err = near.Ping(ctx)
	}
	if err == nil && far.Err() == nil {
		err = far.Ping(ctx)
	}
	if err != nil && ctx.Err() != nil && near.Err() == nil && far.Err() == nil {
		t.Fatalf("hubtest: %s and the hub do not answer each other: %v", m.ID(), err)
	}
}
