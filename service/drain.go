// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// DrainSubscriptions ends the subscriptions to this side's topics gently: they take no more
// publications, and each ends once what waits for it has been sent, or at the end of ctx. It
// returns when all have ended, with what was not sent to whom; subscribers are told
// status.Unavailable. Subscriptions of this side itself end at once: what waits can be read.
func (t *Table) DrainSubscriptions(ctx context.Context) (left []operation.Undelivered) {
	t.mu.Lock()
	var remote []*feed
	for f := range t.open {
		if f.local == nil {
			remote = append(remote, f)
			f.forgetLocked()
		}
	}
	t.mu.Unlock()
	t.EndSubscriptions() // those of this side
	for _, f := range remote {
		f.drain(ctx)
		if n := f.undelivered(); n > 0 {
			left = append(left, operation.Undelivered{Member: f.stream.Session().Peer().ID, Channel: f.key.channel, Name: f.key.name, Messages: n})
		}
	}
	return left
}

// forgetLocked takes the feed out of the tables; the table's mu is held.
func (f *feed) forgetLocked() {
	t := f.table
	if trie := t.feeds[f.key.channel]; trie != nil {
		if trie.Remove(f.key.name, f); trie.Len() == 0 {
			delete(t.feeds, f.key.channel)
		}
	}
	delete(t.open, f)
}

// drain ends the feed when nothing waits, or at the end of ctx or of the session.
func (f *feed) drain(ctx context.Context) {
	f.mu.Lock()
	f.emptied = make(chan struct{})
	emptied := f.emptied
	f.emptyLocked()
	f.mu.Unlock()
	select {
	case <-emptied:
	case <-f.stream.Session().Done():
	case <-ctx.Done():
	}
	f.end(&status.Error{Code: status.Unavailable, Message: "the publisher is closing"})
}

// emptyLocked tells who waits for it that nothing waits any more.
func (f *feed) emptyLocked() {
	if f.emptied != nil && (f.closed || len(f.queue) == 0 && f.inHand == nil) {
		close(f.emptied)
		f.emptied = nil
	}
}

func (f *feed) undelivered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.left
}
