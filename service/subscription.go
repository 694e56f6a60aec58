// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Publication is what a subscription delivers. All bytes are the receiver's.
type Publication struct {
	Channel, Topic string
	Sender         string // member id of the publisher
	Codec          uint8
	Payload        []byte
	Sequence       uint64 // in the publisher's lane
	Ext            []byte // see session.Headers
	// Dropped is how many publications are missing before this one, because this
	// subscriber was too slow.
	Dropped uint64
	// Resumed tells that the connection was lost and made anew before this one: others may
	// be missing, nobody knows how many.
	Resumed bool
	// Replayed says that it was published before the subscription began, and kept.
	Replayed bool
}

// Subscription delivers publications to one goroutine. It ends when it is closed, or with its
// session; where sessions follow each other it goes on with the next.
type Subscription struct {
	now  atomic.Pointer[supply]
	feed *feed // instead of now, in this process

	source Source
	entry  *Entry          // in the source's Ledger; nil if it has none
	life   context.Context // with entry: until Close
	die    context.CancelFunc

	dropped  atomic.Uint64
	replayed int
	// owned by the receiver
	gap     uint64
	replay  uint64  // publications still to come that were kept
	seen    *supply // that the receiver has looked at last
	resumed bool    // … for the first time, and it is not the first
	current Publication
	sender  uint64    // of current, as the session of seen numbers it
	place   *position // nil if it is not kept
	catch   catch     // with place: up with what was missed

	mu     sync.Mutex
	queue  []Publication
	size   int           // bytes of queue
	signal chan struct{} // with feed: queue or closed has changed
	closed bool
	lost   error // the subscription was refused when it was to be made anew
}

// supply is where publications come from on one session.
type supply struct {
	stream   *session.Stream
	replayed int  // how many of them were kept and come first
	again    bool // these are all that is kept, also what has come before
}

// SubscribeOptions say how a slow subscriber is treated.
type SubscribeOptions struct {
	Queue      int    // publications that may wait for it; 0 for the default
	QueueBytes int    // their bytes; 0 for the default
	Policy     string // operation.DropOldest (default), DropNewest, Disconnect or Block
	// Block is how long a publisher may be held up each time, 0 for as long as the hub allows,
	// and OnBlock the policy after that: see WithBlock.
	Block   time.Duration
	OnBlock string
	// Replay and ReplaySince ask for values that were kept: see WithReplay.
	Replay      int
	ReplaySince time.Duration
}

// request returns what is asked for.
func (o *SubscribeOptions) request(channel, pattern string) operation.Subscription {
	return operation.Subscription{
		Channel: channel, Pattern: pattern, Queue: o.Queue, QueueBytes: o.QueueBytes, Policy: o.Policy,
		Block: o.Block.Seconds(), OnBlock: o.OnBlock, Replay: o.Replay, ReplayAge: o.ReplaySince.Seconds(),
	}
}

// direct returns what a subscription asks for that only a hub has.
func direct(req *operation.Subscription) error {
	switch {
	case req.Replay != 0 || req.ReplayAge != 0:
		return errKeep
	case req.Policy == operation.Block:
		return &status.Error{Code: status.Unimplemented, Message: "a direct peer does not hold up publishers: that takes a hub (hub.New, plexus serve)"}
	case req.Queue < 0 || req.QueueBytes < 0:
		return status.Errorf(status.InvalidArgument, "a queue of %d messages and %d bytes: neither can be less than 0", req.Queue, req.QueueBytes)
	}
	switch req.Policy {
	case "", operation.DropOldest, operation.DropNewest, operation.Disconnect:
		return nil
	}
	return status.Errorf(status.InvalidArgument, "unknown policy %q: it is %s, %s or %s", req.Policy, operation.DropOldest, operation.DropNewest, operation.Disconnect)
}

var errKeep = &status.Error{Code: status.Unimplemented, Message: "a direct peer keeps no values for later: that takes a hub (hub.New, plexus serve)"}

// Recv returns the next publication. After the end it returns the *status.Error that says
// why, io.EOF after Close.
func (s *Subscription) Recv(ctx context.Context) (Publication, error) {
	p, err := s.Borrow(ctx)
	if err != nil {
		return Publication{}, err
	}
	own := *p
	if s.feed == nil {
		own.Payload, own.Ext = slices.Clone(p.Payload), slices.Clone(p.Ext)
	}
	return own, nil
}

// Borrow is Recv without a copy: the publication and its bytes are not to be written, and
// valid until the next Recv or Borrow.
func (s *Subscription) Borrow(ctx context.Context) (*Publication, error) {
	p := &s.current
	if s.feed != nil {
		var err error
		*p, err = s.pop(ctx)
		return p, err
	}
	for {
		y := s.now.Load()
		x := y.stream
		if y != s.seen {
			s.look(y)
		}
		if c := s.catch.next(); c != nil {
			s.current = c.Publication
			s.sender = c.source
			return s.give(c.source), nil
		}
		item, err := x.Borrow(ctx)
		if err != nil {
			if err = s.resume(ctx, x, err); err != nil {
				return nil, err
			}
			continue
		}
		if item.From.Name == "" {
			s.note(item)
			continue
		}
		if item.Source != s.sender || p.Sender == "" { // a number stands for one member as long as the session lasts
			s.sender, p.Sender = item.Source, x.Session().SourceName(item.Source)
		}
		p.Channel, p.Topic = item.From.Channel, item.From.Name
		p.Codec, p.Payload, p.Sequence, p.Ext = item.Codec, item.Payload, item.Sequence, item.Ext
		if s.catch.due > 0 {
			s.missed(s.catch.take(p, item.Source, s.place))
			continue
		}
		if p.Replayed = s.replay > 0; p.Replayed {
			s.replay--
		}
		return s.give(item.Source), nil
	}
}

// look begins with another supply than the one before.
func (s *Subscription) look(y *supply) {
	begun := s.seen != nil && s.replay == 0 && s.catch.due == 0 && len(s.catch.ready) == 0
	s.seen, s.replay, s.resumed, s.catch = y, uint64(y.replayed), true, catch{}
	s.current.Sender = ""
	if s.place == nil {
		return
	}
	s.place.at(y.stream.Session().Peer().Instance, begun)
	if y.again {
		s.catch.due, s.replay = s.replay, 0
	}
}

// give returns the current publication with what is to be said of it.
func (s *Subscription) give(source uint64) *Publication {
	p := &s.current
	p.Resumed, s.resumed = s.resumed, false
	p.Dropped, s.gap = s.gap, 0
	if s.place != nil {
		s.place.took(p, source)
	}
	return p
}

// resume waits for the stream that follows x, which has ended with err. It returns why there
// is none.
func (s *Subscription) resume(ctx context.Context, x *session.Stream, err error) error {
	gone := x.Session().Err() != nil || errors.Is(err, status.Unavailable) // about to go: the hub drains
	switch {
	case s.isClosed() && (gone || errors.Is(err, status.Cancelled)):
		return io.EOF
	case s.entry == nil || !gone:
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	if err := plain(s.source).(keeper).After(ctx, x.Session()); err != nil {
		if s.isClosed() {
			return io.EOF
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// note takes a Confirmation.
func (s *Subscription) note(item *session.Item) {
	var c operation.Confirmation
	switch {
	case json.Unmarshal(item.Payload, &c) != nil:
	case s.catch.due > 0:
		s.missed(s.catch.drop(c.Dropped, s.place))
	default:
		s.replay -= min(s.replay, c.Dropped) // the oldest went first
		s.missed(c.Dropped)
	}
}

// missed notes that n publications are missing before the next.
func (s *Subscription) missed(n uint64) {
	s.gap += n
	s.dropped.Add(n)
}

// Dropped returns how many publications this subscriber has missed.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Replayed returns how many publications the subscription has begun with that were kept
// from before.
func (s *Subscription) Replayed() int { return s.replayed }

func (s *Subscription) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close ends the subscription; Recv then returns io.EOF.
func (s *Subscription) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	if s.feed != nil {
		s.feed.close()
		s.wake()
		return nil
	}
	if s.entry != nil {
		s.die()
		end(s.source, s.entry)
	}
	s.now.Load().stream.Cancel()
	return nil
}

// subscribe opens a subscription at the other side and waits until it is effective.
func subscribe(ctx context.Context, source Source, channel, pattern string, o SubscribeOptions) (*Subscription, error) {
	if err := subject.ValidatePattern(pattern); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	s := &Subscription{source: source}
	e := &Entry{what: "subscription to " + subject.JoinMethod(channel, pattern), lost: s.fail}
	e.do = func(ctx context.Context, on *session.Session) error {
		req := o.request(channel, pattern)
		was := s.now.Load()
		again := s.place != nil && was != nil && was.stream.Session().Peer().Instance == on.Peer().Instance
		if again {
			req.Replay, req.ReplayAge = everything, s.place.window().Seconds()
		}
		x, c, err := openOperation(ctx, on, operation.Subscribe, req)
		if err != nil {
			return err
		}
		s.now.Store(&supply{x, max(c.Replayed, 0), again})
		return nil
	}
	if ledgerOf(source) != nil {
		s.entry = e
		if o.Replay > 0 || o.ReplaySince > 0 {
			s.place = newPosition(&o)
		}
		s.life, s.die = context.WithCancel(context.Background())
	}
	if err := begin(ctx, source, e); err != nil {
		return nil, err
	}
	s.look(s.now.Load())
	s.replayed, s.resumed = s.seen.replayed, false
	return s, nil
}

// fail ends the subscription because it could not be made anew.
func (s *Subscription) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = err
}

// SubscribeLocal subscribes to the topics of this table within the process.
func (t *Table) SubscribeLocal(channel, pattern string, o SubscribeOptions) (*Subscription, error) {
	if err := subject.ValidatePattern(pattern); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "%w", err)
	}
	req := o.request(channel, pattern)
	if err := direct(&req); err != nil {
		return nil, err
	}
	limit, bytes := queueOf(&req, math.MaxInt)
	s := &Subscription{signal: make(chan struct{}, 1)}
	s.feed = &feed{table: t, key: key{channel, pattern}, local: s, policy: o.Policy, limit: limit, bytes: bytes}
	return s, t.addFeed(s.feed)
}

// push takes a publication of this process.
func (s *Subscription) push(k key, m session.Message) {
	t := s.feed.table
	p := Publication{
		Channel: k.channel, Topic: k.name, Codec: m.Codec, Payload: slices.Clone(m.Payload), Sequence: m.Sequence, Ext: m.Ext,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	size := len(p.Payload) + len(p.Ext)
	for len(s.queue) > 0 && (len(s.queue) >= s.feed.limit || s.size+size > s.feed.bytes) {
		t.dropped.Add(1)
		s.dropped.Add(1)
		if s.feed.policy == operation.DropNewest {
			return
		}
		s.shiftLocked()
	}
	s.queue = append(s.queue, p)
	s.size += size
	t.delivered.Add(1)
	s.wake()
}

// shiftLocked takes the oldest of what waits.
func (s *Subscription) shiftLocked() Publication {
	p := s.queue[0]
	s.queue[0] = Publication{}
	s.queue = s.queue[1:]
	s.size -= len(p.Payload) + len(p.Ext)
	return p
}

func (s *Subscription) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *Subscription) pop(ctx context.Context) (Publication, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			p := s.shiftLocked()
			s.mu.Unlock()
			return p, nil
		}
		closed := s.closed
		s.mu.Unlock()
		if closed {
			return Publication{}, io.EOF
		}
		select {
		case <-s.signal:
		case <-ctx.Done():
			return Publication{}, ctx.Err()
		}
	}
}
