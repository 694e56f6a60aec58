// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

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
}

// Subscription delivers publications to one goroutine. It ends when it is closed, or with its
// session; where sessions follow each other it goes on with the next.
type Subscription struct {
	stream atomic.Pointer[session.Stream]
	feed   *feed // instead of stream, in this process

	source Source
	entry  *Entry          // in the source's Ledger; nil if it has none
	life   context.Context // with entry: until Close
	die    context.CancelFunc

	dropped atomic.Uint64
	// owned by the receiver
	gap     uint64
	current Publication
	from    *session.Stream // of current, or the first
	sender  uint64          // of current, as from's session numbers it

	mu     sync.Mutex
	queue  []Publication
	signal chan struct{} // with feed: queue or closed has changed
	closed bool
	lost   error // the subscription was refused when it was to be made anew
}

// SubscribeOptions say how a slow subscriber is treated.
type SubscribeOptions struct {
	Queue  int    // publications that may wait for it; 0 for the default
	Policy string // operation.DropOldest (default), DropNewest or Disconnect
}

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
		x := s.stream.Load()
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
		p.Resumed = x != s.from
		if p.Resumed || item.Source != s.sender || p.Sender == "" { // a number stands for one member as long as the session lasts
			s.from, s.sender, p.Sender = x, item.Source, x.Session().SourceName(item.Source)
		}
		p.Channel, p.Topic = item.From.Channel, item.From.Name
		p.Codec, p.Payload, p.Sequence, p.Ext = item.Codec, item.Payload, item.Sequence, item.Ext
		p.Dropped, s.gap = s.gap, 0
		return p, nil
	}
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
	if err := s.source.(keeper).After(ctx, x.Session()); err != nil {
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
	if json.Unmarshal(item.Payload, &c) == nil {
		s.gap += c.Dropped
		s.dropped.Add(c.Dropped)
	}
}

// Dropped returns how many publications this subscriber has missed.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

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
	s.stream.Load().Cancel()
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
		x, err := openOperation(ctx, on, operation.Subscribe, operation.Subscription{Channel: channel, Pattern: pattern, Queue: o.Queue, Policy: o.Policy})
		if err != nil {
			return err
		}
		s.stream.Store(x)
		return nil
	}
	if ledgerOf(source) != nil {
		s.entry = e
		s.life, s.die = context.WithCancel(context.Background())
	}
	if err := begin(ctx, source, e); err != nil {
		return nil, err
	}
	s.from = s.stream.Load()
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
	limit := defaultQueue
	if o.Queue > 0 {
		limit = o.Queue
	}
	s := &Subscription{signal: make(chan struct{}, 1)}
	s.feed = &feed{table: t, key: key{channel, pattern}, local: s, policy: o.Policy, limit: limit}
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
	if len(s.queue) >= s.feed.limit {
		t.dropped.Add(1)
		s.dropped.Add(1)
		if s.feed.policy == operation.DropNewest {
			return
		}
		s.queue = s.queue[1:]
	}
	s.queue = append(s.queue, p)
	t.delivered.Add(1)
	s.wake()
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
			p := s.queue[0]
			s.queue = s.queue[1:]
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
