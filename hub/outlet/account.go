// SPDX-License-Identifier: Apache-2.0

package outlet

import "sync/atomic"

// Account bounds the bytes that wait in several outlets together. The zero value bounds
// nothing. It is safe for concurrent use: what two outlets take at the same moment can pass
// the bound by one message each.
type Account struct {
	// Limit is the bound, in bytes; 0 for none. It is set before the Account is used.
	Limit int
	// Within is an Account that counts the same bytes, nil if there is none.
	Within *Account
	// Over is called, if Mark is not 0, whenever more than Mark bytes wait after some were
	// added. It is called under locks, and must not block.
	Mark int
	Over func()

	used atomic.Int64
}

// Used returns how many bytes wait.
func (a *Account) Used() int {
	if a == nil {
		return 0
	}
	return int(a.used.Load())
}

// free returns how many more may.
func (a *Account) free() int {
	left := maxInt
	for ; a != nil; a = a.Within {
		if a.Limit > 0 {
			left = min(left, max(a.Limit-int(a.used.Load()), 0))
		}
	}
	return left
}

// add counts bytes that wait from now on, or that do so no more.
func (a *Account) add(n int) {
	for ; a != nil; a = a.Within {
		if used := a.used.Add(int64(n)); a.Mark > 0 && n > 0 && used > int64(a.Mark) {
			a.Over()
		}
	}
}

const maxInt = int(^uint(0) >> 1)

// squeezeLocked makes the queue as short as the account lets it be; false means that nothing
// can wait that has so many bytes.
func (o *Outlet) squeezeLocked(size int) bool {
	if o.account == nil {
		return true
	}
	free, roof := o.account.free(), o.roofLocked()
	if free < roof-o.charged {
		o.queue.Bytes = o.charged + free
	} else {
		o.queue.Bytes = roof
	}
	return o.queue.Len() > 0 || size <= max(free, o.least())
}

// roofLocked is the bound of the queue's bytes if the account has room for them.
func (o *Outlet) roofLocked() int {
	if b := o.block; b != nil && !b.lapsed {
		return b.bytes + overrunBytes
	}
	return o.bytes + o.extra.bytes
}

// least is what a queue may always hold if no other holds anything: one message may be longer
// than the account, as it may be longer than the queue.
func (o *Outlet) least() int {
	if o.account.Used() == 0 && (o.account.Within == nil || o.account.Within.Used() == 0) {
		return maxInt
	}
	return 0
}

// settleLocked tells the account of what the queue holds now.
func (o *Outlet) settleLocked() {
	if n := o.queue.Size() - o.charged; n != 0 && o.account != nil {
		o.charged += n
		o.account.add(n)
	}
}
