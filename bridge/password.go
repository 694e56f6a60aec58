// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"context"

	"github.com/plexus-ipc/plexus/session"
)

// enter gives the password of a channel that has one, or makes the channel with it.
func (g *guest) enter(channel string) bool {
	password, guarded := g.at.l.b.cfg.Passwords[channel]
	if !guarded {
		return true
	}
	ctx, cancel := context.WithTimeout(g.ctx, opTime)
	defer cancel()
	err := g.c.Channel(channel).WithPassword(password).Enter(ctx)
	if err != nil && g.ctx.Err() == nil {
		g.at.l.b.cfg.Log.Warn("guest may not enter", "guest", g.id, "hub", g.at.hub, "channel", channel, "error", err)
	}
	return err == nil
}

// unlock gives the password of a channel on a session of the guest, once: who only calls has no
// seat there. The message came by a channel with the same password.
func (g *guest) unlock(ctx context.Context, s *session.Session, channel string) error {
	password, guarded := g.at.l.b.cfg.Passwords[channel]
	if !guarded {
		return nil
	}
	g.mu.Lock()
	known, c := g.opened[channel] == s, g.who
	g.mu.Unlock()
	if known {
		return nil
	}
	if err := c.Channel(channel).Unlock(ctx, password); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(map[string]*session.Session)
	}
	g.opened[channel] = s
	return nil
}
