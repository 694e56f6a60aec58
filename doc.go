// SPDX-License-Identifier: Apache-2.0

// Package plexus lets processes talk: typed calls, streams and publications between
// processes of one machine, fast and safe; and the same program, unchanged, across
// machines.
//
// Direct: one side listens, the other dials, both may call, publish and subscribe.
//
//	srv, err := plexus.Listen("demo", nil)
//	plexus.Handle(srv, "add", func(ctx context.Context, in Add) (Sum, error) { … })
//
//	c, err := plexus.Dial(ctx, "demo", nil)
//	sum, err := plexus.Call[Sum](ctx, c, "add", Add{1, 2})
//
// Through a hub (the daemon "plexus serve", or a hub.Hub in one of the processes): any
// number of processes dial it and meet in named channels.
//
//	math := c.Channel("math")
//	plexus.Handle(math, "add", add)                        // in one process
//	sum, err := plexus.Call[Sum](ctx, math, "add", Add{1, 2}) // in another
//
// Addresses are URLs such as unix:///run/app.sock or tcp://host:4000; a bare name is the
// best transport of this machine in the user's own directory. Errors are *status.Error:
// each has a code, a sentence, and says whether a retry is safe.
//
// The functions take small interfaces, so that a Client, a Channel, a Server's Peer and a
// fake all serve. Values travel as JSON unless WithCodec says otherwise; []byte as it is.
//
// Guarantees: delivery is at most once; every queue is bounded, every drop is counted and
// told to its victim; no call hangs. docs/concepts.md has them word for word.
package plexus
