// SPDX-License-Identifier: Apache-2.0

// Package demo is "plexus demo": every pattern between real processes that do real work,
// with results that are checked.
//
// The parent (run.go) starts this program again in several roles (role.go; package family
// has how they talk):
//
//	hub        a daemon on a private unix path and a loopback port        roles.go
//	index      indexes the Go files of a folder: search, lines, progress  index.go
//	words      counts their words: top, lookup, count                     words.go
//	consumer   uses them, once per route and transport, and measures      consumer.go, events.go
//
// What a consumer got comes back as digests, which the parent compares with what it has
// found by itself, in another way (expect.go): the index looks words up, the parent scans.
//
// A child whose stdin ends, ends: so nothing is left when the parent is killed. The folder
// of the sockets is removed by the parent, and by the hub if the parent could not.
package demo
