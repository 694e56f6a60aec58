// SPDX-License-Identifier: Apache-2.0

package mem

import (
	"math"
	"math/rand/v2"
	"time"
)

// Faults says what one direction of a connection does to its frames. It is a value: a
// Conn keeps a copy. The zero value is a perfect line. Functions are called one at a
// time with the number of the frame in its direction, from 0, while the Conn is locked:
// they must not use the Conn.
type Faults struct {
	// Capacity is how many bytes may be under way before Send waits, 0 for 256 KiB. It
	// is at least transport.MaxFrame.
	Capacity int
	// Delay is how much later each frame arrives. Their order stays.
	Delay time.Duration
	// Stall lets nothing arrive until a Faults without it is set. The sender can go on
	// until Capacity is reached.
	Stall bool
	// Lose, Duplicate and Corrupt choose frames that vanish whole, that arrive twice, of
	// which one byte behind the length word is changed. nil chooses none.
	Lose, Duplicate, Corrupt func(frame uint64) bool
	// CutFrames and CutBytes, if positive, break the connection, both directions, after
	// that many more frames or bytes of this direction have been sent. The peer still
	// receives what arrived before, then io.EOF or, inside a frame, io.ErrUnexpectedEOF.
	CutFrames, CutBytes int64
}

// Some returns a function for Faults that chooses the share p of all frames (0 to 1),
// always the same ones for the same seed.
func Some(seed uint64, p float64) func(frame uint64) bool {
	limit := uint64(math.MaxUint64)
	if p < 1 {
		limit = uint64(max(p, 0) * (1 << 63) * 2)
	}
	return func(frame uint64) bool {
		return limit == math.MaxUint64 || rand.NewPCG(seed, frame).Uint64() < limit
	}
}

// Only returns a function for Faults that chooses the frames with the given numbers.
func Only(frames ...uint64) func(frame uint64) bool {
	set := make(map[uint64]bool, len(frames))
	for _, n := range frames {
		set[n] = true
	}
	return func(frame uint64) bool { return set[frame] }
}
