// SPDX-License-Identifier: Apache-2.0

// package size: members, channels and routes share one table under one lock; what is pure is elsewhere.

// Package hub routes messages between members. A Hub is a value: a daemon serves one on
// many listeners, a program embeds one and joins it over transport/mem like everybody
// else. It imports no transport, server or codec: it is given sessions, and looks
// into no payload but those of its own operations, unless Config.Schemas asks for it.
//
// Whoever accepts connections does this for each:
//
//	a := h.Admission(base)                       // base: auth, limits, gate, log …
//	defer a.Release()                            // frees a reserved id if nothing came of it
//	s, err := session.Accept(ctx, conn, a.Config())
//	if err != nil { … }
//	m, err := a.Attach(s)                        // a member until the session ends
//
// Where to read on:
//
//	admission.go  who may come in, under which id    member.go     what a member has
//	bind.go       what a route of a member means     table.go      who is where, and what follows
//	call.go       calls without streams              stream.go     calls with streams, their credit
//	event.go      events and broadcasts              publish.go    publications
//	subscribe.go  who takes publications             stats.go      counters
//	retention.go  values kept for later              acknowledge.go  who got a publication
//	operation.go  the methods of channel "$"         check.go      what does not fit its schema
//	system.go     what the hub itself publishes      limits.go     who may have how much
//	admin.go      what administrators do             group.go      who of a group gets a call
//	request.go    calls that wait, or are sent again gather.go     calls that go to everybody
//	letter.go     how they are sent                  lock.go       passwords of channels
//	link.go       bridges, and who speaks for members of other hubs
//
// The pure parts are packages: directory (who is there), balance (who gets it), guard (may he),
// deadletter (what if not), schema (is it well formed), quota (how much of it), retain (what
// was said before), routes (which way is it to another hub). What waits before a receiver is
// in package outlet, who got it in receipt, what the hub has to say itself in bulletin.
//
// The data plane takes no lock that all members share: a route remembers where it leads
// and looks again, under the hub's lock, only when that has gone. The lock is never held
// over I/O or a callback; what a change makes necessary is collected under it and done
// afterwards, except that notices enter the watchers' queues at once, to keep their order.
//
// Membership is for those who offer something or want to be counted: calling, sending,
// broadcasting and subscribing need none.
//
// package size: the operations and the data plane share the tables under the hub's one lock;
// what needs neither is in the packages below.
package hub
