// SPDX-License-Identifier: Apache-2.0

// Package backoff says how long to wait before something is tried again: with full jitter,
// so that many who failed together do not come back together (Brooker, "Exponential Backoff
// And Jitter", AWS Architecture Blog, 2015).
package backoff

import (
	"math/rand/v2"
	"time"
)

// Policy describes the waits. It is a value without state.
type Policy struct {
	// Floor is waited in any case before every try but the first.
	Floor time.Duration
	// Base bounds the random part before the first try; it doubles with every failure …
	Base time.Duration
	// Max … until it reaches this.
	Max time.Duration
}

// Delay returns how long to wait before a try after so many failures, with a random part
// between 0 and min(Max, Base·2^failures).
func (p Policy) Delay(failures int) time.Duration {
	return p.delay(failures, rand.Int64N) //nolint:gosec // spreads load, hides nothing
}

func (p Policy) delay(failures int, random func(int64) int64) time.Duration {
	bound := p.Base
	for range failures {
		if bound >= p.Max {
			break
		}
		bound *= 2
	}
	bound = min(bound, p.Max)
	d := time.Duration(0)
	if failures > 0 {
		d = p.Floor
	}
	if bound > 0 {
		d += time.Duration(random(int64(bound) + 1))
	}
	return d
}
