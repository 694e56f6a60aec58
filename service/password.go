// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// WithPassword returns a handle on the same channel that gives its password before it is used
// for the first time, and again on each new session. If the channel has another password,
// or none, every use fails with status.Unauthenticated: what is meant for those who
// know the password never goes to others. Join, Offer and Declare make a channel
// that does not exist, with this password.
//
// The password does not leave the process, and the hub has to prove that it knows it, too.
func (c *Channel) WithPassword(password string) *Channel {
	return &Channel{source: &keyed{inner: plain(c.source), channel: c.name, password: password}, table: c.table, name: c.name, target: c.target}
}

// Unlock gives the password of the channel, on the present session only: all handles of this
// client may use it then. A handle of WithPassword keeps it instead of its own. A wrong password, or that of a channel that has none, is
// status.Unauthenticated; after some of them status.LimitExceeded says how long to wait: see
// RetryAfter. The hub has proved that it knows the password when Unlock returns nil.
func (c *Channel) Unlock(ctx context.Context, password string) error {
	k := keyed{inner: plain(c.source), channel: c.name, password: password}
	s, err := k.inner.Session(ctx)
	if err == nil {
		err = k.unlock(ctx, s)
	}
	if own, ok := c.source.(*keyed); ok && err == nil {
		own.replace(password, s)
	}
	return err
}

// SetPassword gives the channel a password, or another one; "" takes it away. It is for the
// channel's owner; a channel that does not exist comes into being, and this side owns it. All
// others are removed from the channel, and their subscriptions, watches and streams end
// with status.Evicted: they may come back with the password. What travels is a verifier.
func (c *Channel) SetPassword(ctx context.Context, password string) error {
	in := operation.Protection{Channel: c.name}
	if password != "" {
		v, _, err := scram.New(password)
		if err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
		in.Verifier = (*operation.Verifier)(&v)
	}
	s, err := c.source.Session(ctx)
	if err != nil {
		return err
	}
	if err := operate(ctx, s, operation.Password, in, nil); err != nil {
		return err
	}
	if k, ok := c.source.(*keyed); ok {
		k.replace(password, s)
	}
	return nil
}

// keyed is a Source whose sessions have unlocked a channel. It is safe for concurrent use.
type keyed struct {
	inner   Source
	channel string
	open    atomic.Pointer[session.Session] // the one that was unlocked last

	mu       sync.Mutex
	password string
	made     *scram.Verifier // of password, once it was needed
	keys     scram.Keys      // of password with salt
	salt     string
	rounds   int
}

// plain returns the source without the password of another handle.
func plain(s Source) Source {
	if k, ok := s.(*keyed); ok {
		return k.inner
	}
	return s
}

// Session implements Source.
func (k *keyed) Session(ctx context.Context) (*session.Session, error) { return k.session(ctx) }

// session returns the session once the channel is unlocked there.
func (k *keyed) session(ctx context.Context) (*session.Session, error) {
	s, err := k.inner.Session(ctx)
	if err != nil {
		return nil, err
	}
	return s, k.opened(ctx, s, false)
}

// opened returns once the channel is unlocked on s. If it may be created, it is.
func (k *keyed) opened(ctx context.Context, s *session.Session, create bool) error {
	if s == k.open.Load() {
		return nil
	}
	if create {
		err := k.create(ctx, s)
		if err == nil {
			k.open.Store(s)
			return nil
		}
		if !errors.Is(err, status.AlreadyExists) && !errors.Is(err, status.Locked) {
			return err
		}
	}
	if err := k.unlock(ctx, s); err != nil {
		return err
	}
	k.open.Store(s)
	return nil
}

// create makes the channel with the password, if there is none of that name.
func (k *keyed) create(ctx context.Context, s *session.Session) error {
	k.mu.Lock()
	var err error
	if k.made == nil {
		var v scram.Verifier
		v, k.keys, err = scram.New(k.password)
		k.made, k.salt, k.rounds = &v, string(v.Salt), v.Iterations
	}
	v := k.made
	k.mu.Unlock()
	if err != nil {
		return status.Errorf(status.InvalidArgument, "channel %s: %w", k.channel, err)
	}
	return operate(ctx, s, operation.Password, operation.Protection{Channel: k.channel, Verifier: (*operation.Verifier)(v), Create: true}, nil)
}

// replace notes a password that was set by the handle itself.
func (k *keyed) replace(password string, s *session.Session) {
	k.mu.Lock()
	k.password, k.made, k.salt = password, nil, ""
	k.mu.Unlock()
	k.open.Store(s)
}

// unlock gives the password on a session.
func (k *keyed) unlock(ctx context.Context, s *session.Session) error {
	nonce := make([]byte, 24)
	_, _ = rand.Read(nonce) // never fails
	var a operation.Unlocked
	if err := operate(ctx, s, operation.Unlock, operation.Unlocking{Channel: k.channel, Nonce: nonce}, &a); err != nil {
		return err
	}
	keys, err := k.derive(&a)
	if err != nil {
		return status.Errorf(status.InvalidArgument, "channel %s cannot be unlocked: %w", k.channel, err)
	}
	x := scram.Exchange{
		Transcript: s.Transcript(), Channel: k.channel, ClientNonce: nonce, HubNonce: a.Nonce, Salt: a.Salt, Iterations: a.Iterations,
	}
	var last operation.Unlocked
	in := operation.Unlocking{Channel: k.channel, Nonce: nonce, Proof: keys.Prove(&x)}
	if err := operate(ctx, s, operation.Unlock, in, &last); err != nil {
		return err
	}
	if !keys.Trusts(&x, last.Proof) {
		return status.Errorf(status.Unauthenticated, "the hub does not know the password of channel %s itself", k.channel)
	}
	return nil
}

// derive returns the keys for what the hub has asked for, which takes some hundredths of a
// second the first time.
func (k *keyed) derive(a *operation.Unlocked) (scram.Keys, error) {
	if err := scram.CheckNonce(a.Nonce); err != nil {
		return scram.Keys{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.salt != "" && k.salt == string(a.Salt) && k.rounds == a.Iterations {
		return k.keys, nil
	}
	keys, err := scram.Derive(k.password, a.Salt, a.Iterations)
	if err == nil {
		k.keys, k.salt, k.rounds = keys, string(a.Salt), a.Iterations
	}
	return keys, err
}

// Enter makes sure that the password of the handle opens the channel, or becomes that of a
// channel that is new, which this side then owns. Join, Offer and Declare do so by themselves. On
// a handle without a password it does nothing.
func (c *Channel) Enter(ctx context.Context) error {
	k, ok := c.source.(*keyed)
	if !ok {
		return nil
	}
	s, err := k.inner.Session(ctx)
	if err != nil {
		return err
	}
	return k.opened(ctx, s, true)
}

// locked notes that the other side says so: a handle with a password gives it again at the next use.
func locked(source Source, err error) error {
	if k, ok := source.(*keyed); ok && errors.Is(err, status.Locked) {
		k.open.Store(nil)
	}
	return err
}

// RetryAfter returns how long an error asks to wait before the next try, 0 if it does not.
func RetryAfter(err error) time.Duration {
	e := status.Convert(err)
	if e == nil || len(e.Details) == 0 {
		return 0
	}
	var b operation.Backoff
	if json.Unmarshal(e.Details, &b) != nil || !(b.RetryAfter > 0) {
		return 0
	}
	return time.Duration(min(b.RetryAfter, 24*3600) * float64(time.Second))
}
