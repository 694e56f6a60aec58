// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// lock is a password of a channel. A new password is a new lock: who has opened the old one
// has opened nothing.
type lock struct {
	verifier scram.Verifier
	preset   bool // by the configuration: it cannot be replaced, and stays when the channel ends
}

// locks are the passwords of a hub's channels.
type locks struct {
	key   []byte        // of the decoys
	doors atomic.Uint64 // counts what makes routes ask again whether they may

	byName map[string]*lock // guarded by hub.mu

	mu      sync.Mutex // makes a try one step: wait, judge, note
	backoff guard.Backoff
}

// preset makes l ready, with the passwords of the configuration.
func (l *locks) preset(presets map[string]string) {
	l.key, l.byName = randomBytes(32), make(map[string]*lock)
	for channel, password := range presets {
		err := subject.ValidateChannel(channel)
		var v scram.Verifier
		if err == nil {
			v, _, err = scram.New(password)
		}
		if err != nil {
			panic(fmt.Sprintf("hub: password of channel %q: %v", channel, err))
		}
		l.byName[channel] = &lock{verifier: v, preset: true}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// keyring is what a member has opened, and what is closed to it. It is guarded by hub.mu.
type keyring struct {
	opened map[string]*lock
	kicked map[string]time.Time // until when
}

// open notes that a lock was opened. What has gone is forgotten now and then.
func (k *keyring) open(channel string, l *lock, present map[string]*lock) {
	if k.opened == nil {
		k.opened = make(map[string]*lock)
	}
	if n := len(k.opened); n >= 16 && n&(n-1) == 0 {
		for name, l := range k.opened {
			if present[name] != l {
				delete(k.opened, name)
			}
		}
	}
	k.opened[channel] = l
}

func (k *keyring) kick(channel string, now, until time.Time) {
	if k.kicked == nil {
		k.kicked = make(map[string]time.Time)
	}
	for name, until := range k.kicked {
		if !now.Before(until) {
			delete(k.kicked, name)
		}
	}
	k.kicked[channel] = until
	delete(k.opened, channel)
}

// mayLocked returns why m is not to have anything to do with a channel, or learn of it.
func (h *Hub) mayLocked(channel string, m *Member) error {
	if err := m.mayEnter(channel); err != nil {
		return err
	}
	if l := h.locks.byName[channel]; l != nil && m.keys.opened[channel] != l {
		return guard.Locked(channel)
	}
	return nil
}

// may is mayLocked, and asks for a verb, for who does not hold the lock.
func (h *Hub) may(w want, m *Member) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if err := m.allowed(w.verb, w.channel, w.name); err != nil {
		return err
	}
	return h.mayLocked(w.channel, m)
}

// judge is the rule of the directory: what it does, it does only for who may.
func (h *Hub) judge(channel string, m *Member, join bool) error {
	if err := h.mayLocked(channel, m); err != nil || !join {
		return err
	}
	if h.dir.Channel(channel) == nil { // it would be its owner
		if err := m.allowed(auth.VerbOwn, channel, ""); err != nil {
			return err
		}
	}
	return h.bannedLocked(channel, m)
}

// bannedLocked returns why a member that was kicked is not let in yet.
func (h *Hub) bannedLocked(channel string, m *Member) error {
	if len(m.keys.kicked) == 0 {
		return nil
	}
	if wait := m.keys.kicked[channel].Sub(h.cfg.Now()); wait > 0 {
		return guard.Banned(channel, wait)
	}
	return nil
}

// pass is what a route remembers of having been let through. It asks again after passwords or
// the access list have changed, which is seldom. The zero value has not asked yet.
type pass struct{ seen atomic.Uint64 }

func (p *pass) check(m *Member, w want) error {
	h := m.hub
	now := h.locks.doors.Load() + 1
	if p.seen.Load() == now {
		return nil
	}
	if err := h.may(w, m); err != nil {
		m.forbade(err)
		return err
	}
	p.seen.Store(now)
	return nil
}

// unlock is the operation. Its second step is one try: it counts, whatever channel it names.
func (m *Member) unlock(in operation.Unlocking) (out operation.Unlocked, err error) {
	if err := guard.Unlocking(&in); err != nil {
		return out, err
	}
	h := m.hub
	if err := m.mayEnter(in.Channel); err != nil {
		return out, err
	}
	h.mu.RLock()
	l := h.locks.byName[in.Channel]
	h.mu.RUnlock()
	v := scram.Decoy(h.locks.key, in.Channel)
	if l != nil {
		v = l.verifier
	}
	x := scram.Exchange{
		Transcript: m.s.Transcript(), Channel: in.Channel, ClientNonce: in.Nonce, HubNonce: m.nonce(), Salt: v.Salt, Iterations: v.Iterations,
	}
	if len(in.Proof) == 0 {
		return operation.Unlocked{Salt: v.Salt, Iterations: v.Iterations, Nonce: x.HubNonce}, nil
	}
	if out.Proof, err = m.try(&v, &x, in.Proof); err != nil {
		return out, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := m.aliveLocked(); err != nil {
		return operation.Unlocked{}, err
	}
	if h.locks.byName[in.Channel] != l {
		return operation.Unlocked{}, guard.Wrong(in.Channel, 0) // it was changed meanwhile
	}
	if err := h.bannedLocked(in.Channel, m); err != nil {
		return operation.Unlocked{}, err
	}
	m.keys.open(in.Channel, l, h.locks.byName)
	return out, nil
}

// nonce is the hub's, one for each session.
func (m *Member) nonce() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hubNonce == nil {
		m.hubNonce = randomBytes(scram.MinNonce)
	}
	return m.hubNonce
}

func (m *Member) try(v *scram.Verifier, x *scram.Exchange, proof []byte) ([]byte, error) {
	h := m.hub
	who, now := guard.Guesser(m.s.Peer().Identity), h.cfg.Now()
	signature, wait, ok := h.locks.try(who, now, v, x, proof)
	switch {
	case ok:
		return signature, nil
	case wait < 0:
		return nil, guard.TooMany(-wait)
	}
	h.cfg.Log.Warn("wrong password", "hub", h.cfg.ID, "member", m.id, "guesser", who, "channel", x.Channel, "wait", wait)
	return nil, guard.Wrong(x.Channel, wait)
}

// try judges a proof. wait, if it is not ok, is how long the next try has to wait; if it is
// negative, this one came too early by so much and was not looked at.
func (l *locks) try(who string, now time.Time, v *scram.Verifier, x *scram.Exchange, proof []byte) (signature []byte, wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.backoff.Wait(who, now); wait > 0 {
		return nil, -wait, false
	}
	if signature, ok = v.Judge(x, proof); ok {
		return signature, 0, true
	}
	return nil, l.backoff.Failed(who, now), false
}

// protect is the operation that sets and removes a password.
func (m *Member) protect(in operation.Protection) (out operation.Empty, err error) {
	v, err := guard.Protection(&in)
	if err != nil {
		return out, err
	}
	h := m.hub
	var after aftermath
	h.mu.Lock()
	err = m.protectLocked(&in, v, &after)
	h.mu.Unlock()
	after.run()
	return out, err
}

func (m *Member) protectLocked(in *operation.Protection, v *scram.Verifier, after *aftermath) error {
	h := m.hub
	if err := m.aliveLocked(); err != nil {
		return err
	}
	changes, err := m.mayProtect(h.dir, in, h.cfg.Now())
	if err != nil {
		return err
	}
	if v == nil {
		delete(h.locks.byName, in.Channel)
		return nil
	}
	cause := status.Errorf(status.Evicted, "the password of channel %s was set by its owner, %s", in.Channel, m.id)
	l := &lock{verifier: *v}
	h.locks.byName[in.Channel] = l // before notices: they are for who has it
	m.keys.open(in.Channel, l, h.locks.byName)
	h.locks.doors.Add(1)
	for _, f := range h.rooms[in.Channel].feeds(nil, true) {
		if f.m != m {
			h.removeFeedLocked(f, cause, after)
		}
	}
	h.applyLocked(append(changes, h.dir.Clear(in.Channel, m, cause.Message)...), cause, after)
	h.cutLocked(in.Channel, cause, after)
	return nil
}

// mayProtect lets the owner of a channel go on, and makes it exist if need be.
func (m *Member) mayProtect(d *directory.Directory[*Member], in *operation.Protection, now time.Time) ([]change, error) {
	h := m.hub
	if err := h.mayLocked(in.Channel, m); err != nil {
		return nil, err
	}
	if err := m.allowed(auth.VerbOwn, in.Channel, ""); err != nil {
		return nil, err
	}
	if l := h.locks.byName[in.Channel]; l != nil && l.preset {
		return nil, status.Errorf(status.PermissionDenied, "the password of channel %s is set by the hub's configuration: only that can change it", in.Channel)
	}
	c := d.Channel(in.Channel)
	switch {
	case c == nil && in.Verifier == nil:
		return nil, status.Errorf(status.NotFound, "there is no channel %q", in.Channel)
	case c == nil:
		return d.Join(in.Channel, m, now)
	case in.Create:
		return nil, status.Errorf(status.AlreadyExists, "channel %s exists already", in.Channel)
	case c.Owner() != m:
		return nil, status.Errorf(status.NotOwner, "only the owner of channel %s may set its password", in.Channel)
	}
	return nil, nil
}

// forgetLocksLocked drops the passwords of channels that have ended, after all has been told of it.
func (h *Hub) forgetLocksLocked(changes []change) {
	for i := range changes {
		c := &changes[i]
		if l := h.locks.byName[c.Channel]; c.Kind == directory.Left && l != nil && !l.preset && h.dir.Channel(c.Channel) == nil {
			delete(h.locks.byName, c.Channel)
		}
	}
}

// cutLocked has those calls with streams through a channel ended whose caller or provider
// may not have to do with it any more.
func (h *Hub) cutLocked(channel string, cause *status.Error, after *aftermath) {
	for _, m := range h.members {
		if m == nil {
			continue
		}
		m.mu.Lock()
		for r := range m.relays {
			if r.channel == channel && (h.mayLocked(channel, r.m) != nil || r.providerBarredLocked(h)) {
				after.cut = append(after.cut, cutting{r, cause})
			}
		}
		m.mu.Unlock()
	}
}

// providerBarredLocked reports whether the provider, if there is one yet, may not have to do
// with the channel any more.
func (r *relay) providerBarredLocked(h *Hub) bool {
	m := r.o.Load().m
	return m != nil && h.mayLocked(r.channel, m) != nil
}

type cutting struct {
	r      *relay
	reason *status.Error
}

// cut ends a call with streams at once.
func (r *relay) cut(cause *status.Error) {
	r.mu.Lock()
	stop, pass := r.stop, r.running && !r.over
	r.cancelled = true
	r.finishLocked(&final{err: cause})
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	o := r.o.Load()
	if pass {
		o.route.Cancel(r.callee)
	} else if r.req != nil {
		r.req.withdraw()
	}
	r.m.s.FlushNow()
	if o.m != nil { // nobody has it yet
		o.m.s.FlushNow()
	}
}

// register makes a relay findable until it is over. It is cut at once if the caller may
// not have it any more: a password that is set looks for relays after it has become
// effective, so that one of the two finds it.
func (r *relay) register(p *pass) bool {
	r.m.mu.Lock()
	if r.m.relays == nil {
		r.m.relays = make(map[*relay]struct{})
	}
	r.m.relays[r] = struct{}{}
	r.m.mu.Unlock()
	err := p.check(r.m, want{auth.VerbCall, r.channel, r.name})
	if err != nil {
		r.mu.Lock()
		r.finishLocked(&final{err: err})
		r.mu.Unlock()
	}
	return err == nil
}

// forgetLocked is the end of what register began. r.mu is held; that of the member comes after it.
func (r *relay) forgetLocked() {
	r.m.mu.Lock()
	delete(r.m.relays, r)
	r.m.mu.Unlock()
}

// unheard is the reason under which an event is counted that goes to nobody because of err.
func unheard(err error) deadletter.Reason {
	switch status.CodeOf(err) {
	case status.Locked:
		return deadletter.Locked
	case status.PermissionDenied:
		return deadletter.Denied
	}
	return deadletter.Nobody
}

// lockOutLocked is what a kick means beyond the membership: the session stays outside for a
// while, and has not given the password any more.
func (h *Hub) lockOutLocked(channel string, whom *Member, why string, now time.Time, after *aftermath) {
	whom.keys.kick(channel, now, now.Add(h.cfg.KickedFor))
	if h.locks.byName[channel] == nil {
		return
	}
	h.locks.doors.Add(1)
	h.cutLocked(channel, &status.Error{Code: status.Evicted, Message: why}, after)
}

// channels is the operation. It leaves out what is locked.
func (m *Member) channels(in operation.Empty) (operation.ChannelList, error) {
	h := m.hub
	h.mu.RLock()
	defer h.mu.RUnlock()
	list, err := h.dir.List(in)
	list.Channels = slices.DeleteFunc(list.Channels, func(c operation.ChannelInfo) bool { return h.mayLocked(c.Name, m) != nil })
	return list, err
}
