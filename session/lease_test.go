// SPDX-License-Identifier: Apache-2.0

package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport/mem"
)

// leased is a mechanism whose proof ends.
type leased struct {
	auth.Mechanism
	lease auth.Lease
}

func (l *leased) Server(b auth.Binding) auth.Exchange {
	return &leasedExchange{l.Mechanism.Server(b), l.lease}
}

type leasedExchange struct {
	auth.Exchange
	lease auth.Lease
}

func (l *leasedExchange) Identity() auth.Identity {
	id := l.Exchange.Identity()
	id.Lease = l.lease
	return id
}

func withLease(l auth.Lease) *session.Config {
	return &session.Config{
		Auth: auth.Chain{Mechanisms: []auth.Mechanism{&leased{auth.None(), l}}}, Router: echoing, Keeper: new(session.Keeper),
	}
}

// A session ends with the proof of its peer, to the second, and both sides learn why.
func TestLeaseExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leases auth.Leases
		until := time.Now().Add(3*time.Minute + 7*time.Second)
		began := time.Now()
		ds, as := memPair(t, &session.Config{Keeper: new(session.Keeper)}, withLease(leases.Lease(until, func() error { return nil })))
		callMany(t, ds, 1, 1)
		<-as.Done()
		if took := time.Since(began); took != 3*time.Minute+7*time.Second {
			t.Fatalf("it lived for %v", took)
		}
		<-ds.Done()
		wantCode(t, as.Err(), status.Unauthenticated)
		wantCode(t, ds.Err(), status.Unauthenticated)
		as.Wait()
		ds.Wait()
	})
}

// A proof that is withdrawn ends the session at once; one that was withdrawn during the
// handshake, too.
func TestLeaseWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leases auth.Leases
		var why error
		lease := leases.Lease(time.Time{}, func() error { return why })
		ds, as := memPair(t, &session.Config{Keeper: new(session.Keeper)}, withLease(lease))
		if n := leases.Recheck(); n != 0 || as.Err() != nil {
			t.Fatal(n, as.Err())
		}
		why = errors.New("the key was stolen")
		if n := leases.Recheck(); n != 1 {
			t.Fatal(n)
		}
		wantCode(t, as.Err(), status.Unauthenticated)
		<-ds.Done()
		wantCode(t, ds.Err(), status.Unauthenticated)
		if n := leases.Recheck(); n != 0 {
			t.Fatal("an ended session is still watched")
		}
		d, a := mem.Pipe()
		ds, as, derr, aerr := shake(d, a, &session.Config{Keeper: new(session.Keeper)}, withLease(lease))
		if aerr != nil || as.Err() == nil {
			t.Fatal("a session with a proof that is none")
		}
		if derr == nil {
			<-ds.Done()
			ds.Wait()
		}
		as.Wait()
	})
}

// A session that ends leaves no watch and no timer behind.
func TestLeaseLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var leases auth.Leases
		ds, as := memPair(t, &session.Config{Keeper: new(session.Keeper)}, withLease(leases.Lease(time.Now().Add(time.Hour), func() error { return nil })))
		ds.Close()
		as.Wait()
		if n := leases.Recheck(); n != 0 {
			t.Fatal(n)
		}
	})
}

// Who may not be the server is told nothing.
func TestMayServe(t *testing.T) {
	no := status.Errorf(status.PermissionDenied, "not him")
	d, a := mem.Pipe()
	refused := make(chan error, 1)
	go func() {
		_, err := session.Accept(context.Background(), a, nil)
		refused <- err
	}()
	_, err := session.Dial(context.Background(), d, &session.Config{MayServe: func(auth.Peer) error { return no }})
	wantCode(t, err, status.PermissionDenied)
	wantCode(t, <-refused, status.Unavailable) // nothing came
}
