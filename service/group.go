// SPDX-License-Identifier: Apache-2.0

package service

import (
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
)

// WithGroup lets a method have several providers at a hub: those that name the same group.
// The hub chooses one for each call, see WithBalance. A direct peer, who is the only provider
// anyway, takes no notice. Handlers that may be asked twice say so with
// plexus.WithIdempotent: if a provider dies, the hub sends its calls to another. docs/groups.md
// tells all.
func WithGroup(name string) Option { return func(o *Options) { o.Sharing.Group = name } }

// WithBalance says how the hub chooses among the providers of a group: a policy of package
// operation, such as operation.RoundRobin. Without it a group balances by
// operation.LeastActive, and who joins a group takes the policy that it has.
func WithBalance(policy string) Option { return func(o *Options) { o.Sharing.Balance = policy } }

// WithCapacity says how many calls of the method this side takes at a time, 0 for any number.
// The hub has others wait, or sends them to other providers of the group; it refuses those
// that are too many with status.Overloaded. It does not need a group.
func WithCapacity(calls int) Option { return func(o *Options) { o.Sharing.Capacity = calls } }

// WithKey sends a key along with a call. A group with the policy operation.Sticky has all
// calls with the same key served by the same provider, as long as it is there. The key
// travels as the header operation.HeaderKey.
func WithKey(key string) Option {
	return func(o *Options) {
		o.Message.Headers = append(o.Message.Headers, session.Pair{Key: operation.HeaderKey, Value: key})
	}
}
