// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	now := time.Unix(1000, 0)
	b := Bucket{Rate: 10}
	for i, c := range []struct {
		after time.Duration
		n     int
		wait  time.Duration
	}{
		{0, 9, 0}, {0, 1, 0}, {0, 1, 100 * time.Millisecond}, {50 * time.Millisecond, 1, 50 * time.Millisecond},
		{50 * time.Millisecond, 1, 0}, {time.Hour, 10, 0}, {0, 2, 200 * time.Millisecond},
		{time.Hour, 25, 0}, {time.Second, 1, 600 * time.Millisecond}, {600 * time.Millisecond, 1, 0},
		{-time.Hour, 1, 100 * time.Millisecond}, {100 * time.Millisecond, 1, 0}, // the clock was set back
	} {
		now = now.Add(c.after)
		if wait := b.Take(c.n, now); wait.Round(time.Microsecond) != c.wait {
			t.Errorf("%d: wait %v, want %v", i, wait, c.wait)
		}
	}
	if (&Bucket{}).Take(1e9, now) != 0 {
		t.Error("the zero value bounds something")
	}
}
