// SPDX-License-Identifier: Apache-2.0

// Package policy says what is done about calls that fail, are slow or are too many: it wraps
// whatever plexus.Call, Bind, Stream and Open take (a Client, a Channel, a client.Pool, a fake)
// and is taken by them in turn.
//
//	math := policy.Wrap(c.Channel("math"),
//		policy.Retry{},   // again, where that is safe
//		policy.Breaker{}, // not at all, while most calls fail
//		policy.Timeout{Max: 200 * time.Millisecond}) // each attempt
//	sum, err := plexus.Call[Sum](ctx, math, "add", Add{1, 2}, plexus.WithIdempotent())
//
// The first policy is the outermost: what it does (waiting, trying again) it does around the
// others. There is none unless it is given, and the zero value of each is useful. Wrap once and
// keep what it returns: budgets, breakers and measured times live there.
//
// A call that was begun with Bound.Go passes on a goroutine of its own. Of streams only the
// opening passes: once open, a stream lives by its own context.
package policy
