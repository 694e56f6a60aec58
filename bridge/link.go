// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/wire"
)

// opTime bounds an operation of a hub.
const opTime = 10 * time.Second

// codecJSON is codec.IDJSON, the codec of operations.
const codecJSON = 1

// link is a bridge while both hubs are reached.
type link struct {
	b      *Bridge
	ctx    context.Context // ends with the link
	cancel context.CancelCauseFunc
	sides  [2]*side
	wg     sync.WaitGroup
	wake   chan struct{} // a token when something is dirty

	mu     sync.Mutex
	busy   bool // update is under way
	routes bool // the ways have to be told and asked anew
	all    bool // every channel has to be looked at
	rooms  map[string]struct{}
}

// side is the link at one hub.
type side struct {
	l     *link
	other *side
	cfg   *Side
	c     *plexus.Client
	s     *session.Session
	id    string
	hub   string

	// guarded by l.mu
	ways    map[string]operation.Way
	guests  map[string]*guest      // here, for members of the other side
	leaders map[string]*guest      // of a channel: who passes broadcasts on
	feeds   map[string]func()      // subscriptions here, by channel: what ends them
	evicted map[[2]string]struct{} // guest and channel
}

// connect makes both links.
func (b *Bridge) connect(ctx context.Context) (*link, error) {
	l := &link{b: b, wake: make(chan struct{}, 1), rooms: make(map[string]struct{}), routes: true, all: true}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	for i, cfg := range []*Side{&b.cfg.A, &b.cfg.B} {
		l.sides[i] = &side{
			l: l, cfg: cfg, guests: make(map[string]*guest), leaders: make(map[string]*guest),
			feeds: make(map[string]func()), evicted: make(map[[2]string]struct{}),
		}
	}
	l.sides[0].other, l.sides[1].other = l.sides[1], l.sides[0]
	var err error
	for _, s := range l.sides {
		if err = s.open(); err != nil {
			break
		}
	}
	if a, z := l.sides[0].hub, l.sides[1].hub; err == nil && a == z {
		err = status.Errorf(status.InvalidArgument, "both ends of the bridge lead to hubs with the id %q: a hub is not linked to itself, and hubs that are linked need different ids", a)
	}
	if err != nil {
		l.cancel(err)
		l.close()
		return nil, err
	}
	return l, nil
}

// open makes the session of the link itself.
func (s *side) open() error {
	ctx, cancel := context.WithTimeout(s.l.ctx, opTime)
	defer cancel()
	c, err := s.dial(ctx, "", nil, nil)
	if err != nil {
		return err
	}
	s.c = c
	if s.s, err = c.Session(ctx); err != nil {
		return err
	}
	s.id = s.s.ID()
	return s.exchange(ctx, nil)
}

func (s *side) dial(ctx context.Context, id string, metadata map[string]string, r session.Router) (*plexus.Client, error) {
	o := plexus.DialOptions{ID: id, Metadata: metadata, Session: session.Config{Router: r, Features: []string{operation.FeatureBridge}}}
	if id == "" { // guests end with the link
		o.Session.Heartbeat = s.l.b.cfg.Heartbeat
	}
	return s.cfg.Dial(ctx, o)
}

// run keeps the two sides in line until one of them ends.
func (l *link) run() error {
	for _, s := range l.sides {
		s.s.OnEnd(func(err error) { l.cancel(status.Errorf(status.CodeOf(err), "hub %s: %w", s.hub, err)) })
		x, err := s.stream(operation.Watch, operation.Place{})
		if err != nil {
			return err
		}
		l.wg.Go(func() { s.watch(x) })
	}
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		if err := l.update(); err != nil && l.ctx.Err() == nil {
			return err
		}
		select {
		case <-l.wake:
		case <-look.C:
			l.touchLocked()
		case <-l.ctx.Done():
			return context.Cause(l.ctx)
		}
	}
}

// close ends everything of the link and waits for it.
func (l *link) close() {
	l.cancel(&status.Error{Code: status.Closed, Message: "the link was closed"})
	l.mu.Lock()
	for _, s := range l.sides {
		for _, g := range s.guests {
			g.stop()
		}
	}
	l.mu.Unlock()
	for _, s := range l.sides {
		if s.c != nil {
			s.c.Close()
		}
	}
	l.wg.Wait()
}

// lookAgain is how often channels with a password are looked at: of those that the link has not
// unlocked yet it gets no news.
const lookAgain = time.Second

// touchLocked has them looked at.
func (l *link) touchLocked() {
	for channel := range l.b.cfg.Passwords {
		l.touch(channel)
	}
}

// touch has a channel looked at; all of them for "".
func (l *link) touch(channel string) {
	l.mu.Lock()
	if channel == "" {
		l.all = true
	} else {
		l.rooms[channel] = struct{}{}
	}
	l.mu.Unlock()
	l.signal()
}

func (l *link) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// pendingLocked returns how much there is to look at.
func (l *link) pendingLocked() int {
	n := len(l.rooms)
	for _, b := range []bool{l.busy, l.routes, l.all} {
		if b {
			n++
		}
	}
	return n
}

// update brings the sides in line with each other.
func (l *link) update() error {
	l.mu.Lock()
	l.busy = true
	routes, all, rooms := l.routes, l.all, l.rooms
	l.routes, l.all, l.rooms = false, false, make(map[string]struct{})
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.busy = false
		l.mu.Unlock()
	}()
	if routes {
		changed, err := l.exchange()
		if err != nil {
			return err
		}
		all = all || changed
	}
	if all {
		for _, s := range l.sides {
			names, err := s.channels()
			if err != nil {
				return err
			}
			for _, name := range names {
				rooms[name] = struct{}{}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		for _, s := range l.sides {
			if err := s.carry(name); err != nil && l.ctx.Err() == nil {
				l.b.cfg.Log.Warn("bridge cannot carry a channel for now", "channel", name, "from", s.hub, "error", err)
				time.AfterFunc(opTime, func() { l.touch(name) })
			}
		}
	}
	return nil
}

// exchange tells each hub what the other reaches.
func (l *link) exchange() (changed bool, err error) {
	for range 2 { // the second time the first has heard of what the second knows
		for _, s := range l.sides {
			before := s.ways
			if err := s.exchange(l.ctx, s.reach()); err != nil {
				return false, err
			}
			changed = changed || !maps.EqualFunc(before, s.ways, func(a, b operation.Way) bool {
				return a.Member == b.Member && slices.Equal(a.Path, b.Path)
			})
		}
	}
	for _, s := range l.sides {
		s.dismiss()
	}
	return changed, nil
}

// reach returns what the hub of s reaches by the link.
func (s *side) reach() []operation.Reach {
	o, w := s.other, s.l.b.weight
	said := []operation.Reach{{Hub: o.hub, Path: []string{o.hub}, Cost: w}}
	for _, way := range o.ways {
		if way.Member == o.id || slices.Contains(way.Path, s.hub) || len(way.Path) >= maxPath {
			continue
		}
		said = append(said, operation.Reach{Hub: way.Hub, Path: append([]string{o.hub}, way.Path...), Cost: way.Cost + w})
	}
	slices.SortFunc(said, func(a, b operation.Reach) int { return int(int64(a.Cost - b.Cost)) })
	return said[:min(len(said), maxHubs)]
}

// Limits of routes.Table.
const (
	maxPath = 32
	maxHubs = 1024
)

func (s *side) exchange(ctx context.Context, said []operation.Reach) error {
	var table operation.LinkTable
	if err := s.operate(ctx, operation.Link, operation.LinkState{Routes: said}, &table); err != nil {
		return err
	}
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	if s.hub == "" {
		s.hub = table.Hub // the first time: nobody else sees s yet
	}
	s.ways = make(map[string]operation.Way)
	for _, w := range table.Routes {
		s.ways[w.Hub] = w
	}
	return nil
}

// carriesLocked reports whether s speaks for the members of a hub.
func (s *side) carriesLocked(hub string) bool {
	return hub != s.hub && s.ways[hub].Member == s.id
}

// dismiss ends the guests that another link is to speak for.
func (s *side) dismiss() {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	for _, g := range s.guests {
		if !s.carriesLocked(g.origin) {
			g.stop()
		}
	}
}

// nameFor returns the id here of a member of the other side, and its hub.
func (s *side) nameFor(id string) (name, hub string) {
	if _, hub := operation.Origin(id); hub != "" {
		return id, hub
	}
	return id + "@" + s.other.hub, s.other.hub
}

// home returns the id at the other side of a guest here.
func (s *side) home(name string) string {
	if member, hub := operation.Origin(name); hub == s.other.hub {
		return member
	}
	return name
}

// allows reports whether something of a channel goes from s to the other side.
func (s *side) allows(channel string) bool {
	if s.cfg.Channels == nil {
		return !subject.Reserved(channel)
	}
	return !subject.Reserved(channel) && slices.ContainsFunc(s.cfg.Channels, func(p string) bool { return subject.Match(p, channel) })
}

// operate is an operation of the hub.
func (s *side) operate(ctx context.Context, op string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	if err := s.c.Channel("$").Operate(ctx, op, in, out); err != nil {
		e := status.Convert(err)
		return &status.Error{Code: e.Code, Message: "hub " + s.hub + ", " + op + ": " + e.Message, Retry: e.Retry}
	}
	return nil
}

// stream opens an operation that answers with a stream; it is in effect when it returns.
func (s *side) stream(op string, in any) (*session.Stream, error) {
	b, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r := s.s.Route(wire.Bind{Class: wire.ClassMethod, Channel: operation.Channel, Name: op})
	x, err := r.Open(s.l.ctx, wire.ServerStream, session.Message{Codec: codecJSON, Payload: b})
	if err != nil {
		return nil, err
	}
	if _, err := x.Recv(s.l.ctx, nil); err != nil {
		x.Cancel()
		return nil, err
	}
	return x, nil
}

// watch takes the hub's notices.
func (s *side) watch(x *session.Stream) {
	for {
		item, err := x.Recv(s.l.ctx, nil)
		if err != nil {
			s.l.cancel(status.Errorf(status.CodeOf(err), "hub %s tells nothing any more: %w", s.hub, err))
			return
		}
		var n operation.Notice
		if json.Unmarshal(item.Payload, &n) != nil {
			continue
		}
		s.noticed(&n)
	}
}

func (s *side) noticed(n *operation.Notice) {
	l := s.l
	switch n.Type {
	case operation.NoticeRoute:
		l.mu.Lock()
		l.routes = true
		l.mu.Unlock()
		l.signal()
		return
	case operation.NoticeFirstSubscriber, operation.NoticeLastSubscriber:
		return
	case operation.NoticeGap:
		if n.Channel == "" {
			l.touch("")
			return
		}
	case operation.NoticeLeave:
		s.left(n)
	}
	if s.allows(n.Channel) || s.other.allows(n.Channel) {
		l.touch(n.Channel)
	}
}

// left notes that a guest was removed by the owner of a channel: it does not come back by itself,
// but once who it stands for has left at home, also if she is back there before anybody looks.
func (s *side) left(n *operation.Notice) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	name, _ := s.other.nameFor(n.Member)
	delete(s.other.evicted, [2]string{name, n.Channel})
	if g := s.guests[n.Member]; g != nil && evicts(n.Reason) {
		s.evicted[[2]string{n.Member, n.Channel}] = struct{}{}
	}
}
