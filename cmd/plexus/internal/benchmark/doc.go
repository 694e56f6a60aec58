// SPDX-License-Identifier: Apache-2.0

// Package benchmark is "plexus bench": it measures the transports of this machine between
// processes of this program, through the exported facade, and says what to do with the
// figures.
//
// The parent (run.go) starts, for each transport and socket buffer, two or three children
// (see package family) and has them work one after the other, so that each measures itself
// only:
//
//	direct   provider ═══ load              provider.go, load.go
//	hub      provider ═══ hub ═══ load      hub.go
//
// A case (plan.go) is a pattern with a payload and a number of callers. In a round each
// transport in turn does a slot of it, so that they meet the same weather; what is
// reported (package report) is the median of the rounds (sample.go). A slot is:
//
//	warm up   until the speed is known: it sets how many operations fit the slot
//	mark      every process tells its processor time and allocations      gauge.go
//	run       so many operations; calls are timed one by one               load_*.go
//	mark      again
//	delay     streams and publications: one message at a time, from send to receipt
//
// Nothing is allocated by the measuring itself: durations go into histograms
// (histogram.go) that are made before.
package benchmark
