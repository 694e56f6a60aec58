// SPDX-License-Identifier: Apache-2.0

package benchmark

import (
	"encoding/binary"
	"time"
)

// A stamped payload begins with the time at which it was sent, by the clock of the machine,
// which both processes read.

func stamp(payload []byte) { binary.LittleEndian.PutUint64(payload, uint64(clock())) }

// sinceStamp is how long ago a payload was stamped.
func sinceStamp(payload []byte) time.Duration {
	return time.Duration(clock() - int64(binary.LittleEndian.Uint64(payload)))
}
