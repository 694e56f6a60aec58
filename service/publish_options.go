// SPDX-License-Identifier: Apache-2.0

package service

import (
	"time"

	"github.com/plexus-ipc/plexus/operation"
)

// WithKeep has a declared topic keep its last n values for those who subscribe later with
// WithReplay or WithReplaySince. The hub bounds their bytes and forgets them when the topic
// is retracted. A direct peer keeps nothing: status.Unimplemented.
func WithKeep(n int) Option { return func(o *Options) { o.Keep = n } }

// WithKeepAge has a declared topic keep the values that are not older than d, and no more
// than WithKeep says if that is given, too.
func WithKeepAge(d time.Duration) Option { return func(o *Options) { o.KeepAge = d } }

// WithReplay has a subscription begin with the last n values that each of its topics keeps,
// or with fewer if fewer are kept or would fit into its queue: see Subscription.Replayed. What
// is published meanwhile comes after them; none is lost, doubled or out of order.
func WithReplay(n int) Option { return func(o *Options) { o.Replay = n } }

// WithReplaySince has a subscription begin with the values kept that are not older than d,
// and no more of each topic than WithReplay says if that is given, too.
func WithReplaySince(d time.Duration) Option { return func(o *Options) { o.ReplaySince = d } }

// WithQueueBytes bounds the bytes that may wait for a slow subscriber: at most the hub's
// default.
func WithQueueBytes(n int) Option { return func(o *Options) { o.QueueBytes = n } }

// WithBlock has publishers wait while too much waits for this subscriber, for at most d each
// time, 0 for as long as the hub allows. then is the policy after that: operation.DropOldest
// for "". One who does not catch up is not waited for again before it has.
func WithBlock(d time.Duration, then string) Option {
	return func(o *Options) { o.Policy, o.Block, o.OnBlock = operation.Block, d, then }
}

// SubscribeOptions returns what a subscription is asked for with.
func (o *Options) SubscribeOptions() SubscribeOptions {
	return SubscribeOptions{
		Queue: o.Queue, QueueBytes: o.QueueBytes, Policy: o.Policy, Block: o.Block, OnBlock: o.OnBlock,
		Replay: o.Replay, ReplaySince: o.ReplaySince,
	}
}
