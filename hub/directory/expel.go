// SPDX-License-Identifier: Apache-2.0

package directory

// Heirs has f asked who may become the owner of a channel whose owner leaves. It is to be called
// before anything else.
func (d *Directory[M]) Heirs(f func(channel string, m M) bool) { d.heirs = f }

// heir returns who owns a channel after its owner has left: the earliest member that may, the
// earliest of all if none may, so that no channel is without.
func (d *Directory[M]) heir(c *Channel[M]) M {
	for _, m := range c.order {
		if d.heirs == nil || d.heirs(c.Name, m) {
			return m
		}
	}
	return c.order[0]
}

// Expel is Leave for who has no say in it, and nobody is asked: m has lost the right to be there.
func (d *Directory[M]) Expel(channel string, m M, reason string) []Change[M] {
	c := d.places[m][channel]
	if c == nil {
		return nil
	}
	return d.leave(nil, c, m, reason)
}
