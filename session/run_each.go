// SPDX-License-Identifier: Apache-2.0

package session

// Each calls f with the messages of r one by one, for who needs to look at them. A Frame is
// valid until f returns.
func (r Run) Each(f func(*Frame)) {
	for r.n > 0 {
		m := r.shift()
		f(&m)
	}
}
