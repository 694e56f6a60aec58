// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

// reload is the operation. Files are read for it, so that it has a goroutine of its own, which
// Close waits for.
func (m *Member) reload(c *session.Call) {
	h := m.hub
	var in operation.Empty
	err := decode(c, &in, wire.Unary)
	if err == nil {
		err = m.administers()
	}
	if err == nil && h.cfg.OnReload == nil {
		err = &status.Error{Code: status.Unimplemented, Message: "this hub has nothing to read anew"}
	}
	if err != nil {
		c.Fail(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	id := c.ID
	h.cfg.Log.Info("reload was asked for", "hub", h.cfg.ID, "member", m.id)
	if !c.Detach(giveUp{cancel}) {
		cancel()
		return
	}
	h.slow.Go(func() {
		defer cancel()
		if err := h.cfg.OnReload(ctx); err != nil {
			m.s.Refuse(id, status.Convert(err))
		} else {
			m.s.Answer(id, bodyOf(operation.Empty{}))
		}
		m.s.FlushNow()
	})
}
