// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/json"
	"sync"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/transport"
)

const (
	codecJSON    = 1        // of operations
	defaultQueue = 1024     // publications that may wait for a slow subscriber
	maxQueue     = 64 << 10 // what a subscriber may ask for at most
	defaultBytes = 8 << 20  // of these publications
	maxLabels    = 4096     // topics told apart per subscription; then they are told anew
)

// feed is a bounded queue of publications before one subscriber.
type feed struct {
	table  *Table
	key    key // channel and pattern
	id     uint32
	stream *session.Stream
	local  *Subscription // instead of stream: a subscriber in this process
	policy string
	limit  int
	bytes  int
	labels map[key]*session.Route

	mu      sync.Mutex
	inHand  *queuedItem // taken out, not sent yet
	queue   []queuedItem
	size    int    // bytes of queue
	dropped uint64 // and not told yet
	sending bool
	again   bool // send was called while somebody was sending
	closed  bool
	emptied chan struct{} // closed when nothing waits, or the feed is; nil mostly
	left    int           // publications that were dropped because the feed was closed
}

type queuedItem struct {
	key key
	m   session.Message
	buf *transport.Buffer
}

// subscribe serves the operation: it adds a feed, which answers the call when it ends.
func (t *Table) subscribe(c *session.Call) {
	var req operation.Subscription
	if err := decodeRequest(c, &req); err != nil {
		c.Fail(err)
		return
	}
	if err := subject.ValidatePattern(req.Pattern); err != nil {
		c.Fail(status.Errorf(status.InvalidArgument, "%w", err))
		return
	}
	if err := direct(&req); err != nil {
		c.Fail(err)
		return
	}
	if err := maySubscribe(c.Session().Peer().Identity, req.Channel, req.Pattern); err != nil {
		c.Fail(err)
		return
	}
	x, err := c.Stream()
	if err != nil {
		c.Fail(err)
		return
	}
	limit, bytes := queueOf(&req, maxQueue)
	f := &feed{
		table: t, key: key{req.Channel, req.Pattern}, id: c.ID, stream: x, policy: req.Policy, limit: limit, bytes: bytes,
		labels: make(map[key]*session.Route), sending: true, // nothing before the confirmation
	}
	if err := t.addFeed(f); err != nil {
		c.Fail(err)
		return
	}
	x.OnCredit(f.send)
	f.confirm(operation.Confirmation{Effective: true})
	f.mu.Lock()
	f.sending = false
	f.mu.Unlock()
	f.send()
	if !c.Detach(f) {
		f.close()
	}
}

// queueOf returns how many publications may wait for a subscriber, and how many bytes.
func queueOf(req *operation.Subscription, most int) (limit, bytes int) {
	limit, bytes = defaultQueue, defaultBytes
	if req.Queue > 0 {
		limit = min(req.Queue, most)
	}
	if req.QueueBytes > 0 {
		bytes = min(req.QueueBytes, defaultBytes)
	}
	return limit, bytes
}

func decodeRequest(c *session.Call, v any) error {
	if c.Codec != codecJSON {
		return status.Errorf(status.InvalidArgument, "operations are in JSON (codec 1), this one came in codec %d", c.Codec)
	}
	if err := json.Unmarshal(c.Payload, v); err != nil {
		return status.Errorf(status.InvalidArgument, "%s: %w", c.Route().Name, err)
	}
	return nil
}

func (t *Table) addFeed(f *feed) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return &status.Error{Code: status.Unavailable, Message: "the peer is closing"}
	}
	if t.feeds == nil {
		t.feeds = make(map[string]*subject.Trie[*feed])
	}
	trie := t.feeds[f.key.channel]
	if trie == nil {
		trie = new(subject.Trie[*feed])
		t.feeds[f.key.channel] = trie
	}
	_, err := trie.Insert(f.key.name, f)
	if err == nil {
		if t.open == nil {
			t.open = make(map[*feed]struct{})
		}
		t.open[f] = struct{}{}
	}
	return err
}

// Cancelled implements session.Canceller: the subscriber has left.
func (f *feed) Cancelled(reason *status.Error) { f.end(reason) }

// end closes the feed and answers the subscriber's call.
func (f *feed) end(reason *status.Error) {
	if f.close() && f.stream != nil {
		f.stream.Session().Refuse(f.id, reason)
		f.stream.Session().FlushLater()
	}
}

// close takes the feed out of the table and drops what waits; false if it was closed.
func (f *feed) close() bool {
	t := f.table
	t.mu.Lock()
	f.forgetLocked()
	t.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.closed = true
	if f.inHand != nil && !f.sending {
		f.queue = append(f.queue, *f.inHand)
		f.inHand = nil
	}
	for _, q := range f.queue {
		t.dropped.Add(1)
		q.buf.Release()
	}
	f.left += len(f.queue)
	f.queue = nil
	f.emptyLocked()
	return true
}

// put queues a publication, by the policy if there are too many, and sends what can be sent.
func (f *feed) put(k key, m session.Message, buf *transport.Buffer) {
	if f.local != nil {
		f.local.push(k, m)
		return
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return
	}
	q := queuedItem{k, m, buf}
	for f.fullLocked(q.size()) {
		if f.makeRoomLocked() {
			continue
		}
		full := f.policy == operation.Disconnect
		f.mu.Unlock()
		if full {
			f.end(status.Errorf(status.Overloaded, "the subscriber was too slow: %d publications waited", f.limit))
		}
		return
	}
	buf.Retain()
	f.queue = append(f.queue, q)
	f.size += q.size()
	f.mu.Unlock()
	f.send()
}

// makeRoomLocked applies the policy; false means that the new publication is dropped.
func (f *feed) makeRoomLocked() bool {
	f.table.dropped.Add(1)
	f.dropped++
	if f.policy == operation.DropNewest || f.policy == operation.Disconnect {
		return false
	}
	q := f.shiftLocked()
	q.buf.Release()
	return true
}

// fullLocked reports whether there is no room for a publication of so many bytes.
func (f *feed) fullLocked(size int) bool {
	return len(f.queue) >= f.limit || len(f.queue) > 0 && f.size+size > f.bytes
}

// shiftLocked takes the oldest of what waits.
func (f *feed) shiftLocked() queuedItem {
	q := f.queue[0]
	f.queue[0] = queuedItem{}
	f.queue = f.queue[1:]
	f.size -= q.size()
	return q
}

func (q *queuedItem) size() int { return len(q.m.Payload) + len(q.m.Ext) }

// send gives the stream what it takes now. One goroutine at a time does it; others leave
// it to that one.
func (f *feed) send() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sending {
		f.again = true // there may be credit since the other one looked
		return
	}
	f.sending = true
	sent := false
	for f.sendOneLocked() || f.again {
		f.again = false
		sent = true
	}
	f.sending = false
	if f.closed && f.inHand != nil {
		f.inHand.buf.Release()
		f.inHand = nil
		f.left++
		f.table.dropped.Add(1)
	}
	f.emptyLocked()
	if sent {
		f.stream.Session().FlushLater()
	}
}

// sendOneLocked sends the next publication; mu is released meanwhile.
func (f *feed) sendOneLocked() bool {
	if f.inHand == nil && len(f.queue) > 0 {
		q := f.shiftLocked()
		f.inHand = &q
	}
	q, gap := f.inHand, f.dropped
	if q == nil || f.closed {
		return false
	}
	f.mu.Unlock()
	ok := gap == 0 || f.confirm(operation.Confirmation{Effective: true, Dropped: gap})
	told := ok
	if ok {
		var err error
		ok, err = f.stream.TrySend(q.m, f.label(q.key))
		ok = ok && err == nil
	}
	f.mu.Lock()
	if told {
		f.dropped -= gap
	}
	if ok {
		q.buf.Release()
		f.inHand = nil
		f.table.delivered.Add(1)
	}
	return ok
}

// confirm sends a Confirmation.
func (f *feed) confirm(v operation.Confirmation) bool {
	b, err := json.Marshal(v)
	if err != nil {
		return false
	}
	ok, err := f.stream.TrySend(session.Message{Codec: codecJSON, Payload: b}, nil)
	return ok && err == nil
}

// label returns the route that tells the subscriber which topic an item is of. Only who
// is sending calls it.
func (f *feed) label(k key) *session.Route {
	r := f.labels[k]
	if r == nil {
		if len(f.labels) >= maxLabels {
			clear(f.labels)
		}
		r = f.stream.Session().Route(session.Bind{Class: session.ClassLabel, Channel: k.channel, Name: k.name})
		f.labels[k] = r
	}
	return r
}
