// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// Judge has f asked before a member changes anything in a channel, or joins it: an error
// refuses it. It is to be called before anything else.
func (d *Directory[M]) Judge(f func(channel string, m M, join bool) error) { d.judge = f }

func (d *Directory[M]) may(channel string, m M, join bool) error {
	if err := subject.ValidateChannel(channel); err != nil {
		return status.Errorf(status.InvalidArgument, "%w", err)
	}
	if d.judge == nil {
		return nil
	}
	return d.judge(channel, m, join)
}

// Clear removes all members of a channel but one, which owns it.
func (d *Directory[M]) Clear(channel string, but M, reason string) []Change[M] {
	c := d.channels[channel]
	if c == nil {
		return nil
	}
	var changes []Change[M]
	for _, m := range c.Members() {
		if m != but {
			changes = d.vacate(changes, c, m, reason)
		}
	}
	return changes
}
