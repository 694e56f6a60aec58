// SPDX-License-Identifier: Apache-2.0

package deadletter

import "github.com/plexus-ipc/plexus/operation"

// Store keeps Records over the end of the process. Its functions may block for as long as the
// disk does; they are safe for concurrent use.
type Store interface {
	// Append keeps Records, all or none, and gives each an ID, greater than all before, if that is
	// 0; a Record that has one takes the place of the one that had it. When it returns nil they are
	// on the disk, and stay there when the power is cut. status.TooLarge says that one of them is
	// longer than the Store takes.
	Append(records []*Record) error
	// Scan calls f with the Records whose IDs are greater than after, in their order, until it
	// returns false. A Record and its Payload are valid until f returns. Damaged ones are left out.
	Scan(after uint64, f func(r *Record) bool) error
	// Remove removes Records, on the disk when it returns, and returns how many there were.
	Remove(ids []uint64) (int, error)
}

// Reporter is what a Store may be, too: it tells of itself.
type Reporter interface {
	Report() operation.DeadLetterStore
}

// Keeping says which messages a hub keeps, and where. The zero value keeps none.
type Keeping struct {
	// Store is where they are kept. It belongs to whoever made it, who closes it after the hub.
	Store Store
	// Rules choose them: a message is kept if one of them fits.
	Rules []Rule
	// QueueBytes bounds what waits in memory to be written: what is more is lost and counted.
	// 0 is DefaultQueueBytes.
	QueueBytes int
}

// DefaultQueueBytes is how many bytes of dead letters may wait to be written.
const DefaultQueueBytes = 16 << 20

// On reports whether anything is kept.
func (k *Keeping) On() bool { return k.Store != nil && len(k.Rules) > 0 }
