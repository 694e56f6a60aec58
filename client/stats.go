// SPDX-License-Identifier: Apache-2.0

package client

import (
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/session"
)

// Stats are what a Client has seen.
type Stats struct {
	// Connected reports that there is a session, ID the member id in it.
	Connected bool
	ID        string
	// Session are the counts of the session, the last ones if it has ended.
	Session session.Stats
	// Published, Delivered and Dropped are publications on topics that this side has declared
	// itself, to a direct peer; through a hub, the hub counts.
	Published, Delivered, Dropped uint64
	// Once tells of the calls that this side serves and that may come a second time.
	Once service.OnceCounts
	// Offline tells of one-way messages that were sent while the connection was lost.
	Offline OfflineStats
}

// Stats returns a snapshot of the counts.
func (c *Client) Stats() Stats {
	counts := c.table.Counts()
	st := Stats{Published: counts.Published, Delivered: counts.Delivered, Dropped: counts.Dropped, Once: c.table.Once(), Offline: c.offline.stats()}
	s := c.cur.Load()
	if s == nil {
		return st
	}
	st.Connected, st.ID, st.Session = s.Err() == nil, s.ID(), s.Stats()
	return st
}
