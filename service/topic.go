// SPDX-License-Identifier: Apache-2.0

package service

import (
	"sync/atomic"

	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
	"github.com/plexus-ipc/plexus/transport"
)

// topic is a publication name declared at this side.
type topic struct {
	key   key
	terms TopicTerms
	table *Table
	seq   atomic.Uint64
	gone  atomic.Bool
}

// Declare allows publications on a topic until retract is called: by this side, and by
// its peers if it is shared.
func (t *Table) Declare(channel, name string, terms TopicTerms) (retract func(), err error) {
	if err := validTopic(channel, name); err != nil {
		return nil, err
	}
	if err := jsonschema.Check(terms.Schema); err != nil {
		return nil, err
	}
	k := key{channel, name}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.topics[k] != nil {
		return nil, status.Errorf(status.AlreadyExists, "topic %q is declared already", k.String())
	}
	if t.topics == nil {
		t.topics = make(map[key]*topic)
	}
	x := &topic{key: k, terms: terms, table: t}
	t.topics[k] = x
	return func() { t.retract(x) }, nil
}

func validTopic(channel, name string) error {
	if channel != "" {
		if err := subject.ValidateChannel(channel); err != nil {
			return status.Errorf(status.InvalidArgument, "%w", err)
		}
	}
	if err := subject.ValidateTopic(name); err != nil {
		return status.Errorf(status.InvalidArgument, "%w", err)
	}
	return nil
}

func (t *Table) retract(x *topic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.gone.Store(true)
	if t.topics[x.key] == x {
		delete(t.topics, x.key)
	}
}

func (t *Table) bindTopic(k key) (session.Target, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	x := t.topics[k]
	if x == nil {
		return nil, undeclared(k)
	}
	if !x.terms.Shared {
		return nil, status.Errorf(status.NotOwner, "topic %q is published by its owner only", k.String())
	}
	return x, nil
}

func undeclared(k key) *status.Error {
	return status.Errorf(status.Undeclared, "topic %q has not been declared", k.String())
}

// Call implements session.Target: a publication that is to be acknowledged.
func (x *topic) Call(c *session.Call) { c.Fail(errReceipt) }

// Receive implements session.Target: a peer publishes.
func (x *topic) Receive(s *session.Session, f *session.Frame) {
	if x.gone.Load() {
		x.table.dropped.Add(1)
		s.Revoke(x, undeclared(x.key))
		return
	}
	x.deliver(f.Message(), f.Take().Compact())
}

// Publish sends a publication of this side to all subscribers.
func (t *Table) Publish(channel, name string, m session.Message) error {
	k := key{channel, name}
	t.mu.RLock()
	x := t.topics[k]
	t.mu.RUnlock()
	if x == nil {
		return undeclared(k)
	}
	m.Sequence = x.seq.Add(1)
	buf := transport.CopyBuffer(m.Payload)
	m.Payload = buf.Bytes()
	x.deliver(m, buf)
	return nil
}

// Declared reports whether this side has declared a topic.
func (t *Table) Declared(channel, name string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.topics[key{channel, name}] != nil
}

// deliver gives a publication to all feeds whose pattern matches. It takes over buf, in
// which m's payload lies.
func (x *topic) deliver(m session.Message, buf *transport.Buffer) {
	defer buf.Release()
	b := buf.Bytes()
	m.Payload = b[len(b)-len(m.Payload):]
	m.Ext = append([]byte(nil), m.Ext...)
	t := x.table
	t.published.Add(1)
	for _, f := range t.matching(x.key) {
		f.put(x.key, m, buf)
	}
}

// matching returns the feeds whose pattern matches a topic.
func (t *Table) matching(k key) []*feed {
	t.mu.RLock()
	defer t.mu.RUnlock()
	trie := t.feeds[k.channel]
	if trie == nil {
		return nil // nobody has subscribed in this channel
	}
	return trie.Match(nil, k.name)
}
