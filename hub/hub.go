// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/bulletin"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/routes"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Hub routes messages between its members. Make one with New. All methods are safe for
// concurrent use. Until members attach it costs nothing, and it need not be closed.
type Hub struct {
	cfg   Config
	began time.Time
	count counters
	names directory.Sources
	stop  sync.Once

	misfits, unusable, rejected, forbidden deadletter.Rarely

	kept    atomic.Int64   // bytes that topics keep
	queued  outlet.Account // bytes that wait for all members
	eases   atomic.Bool    // somebody is ending sessions because too much waits
	leaving atomic.Int64   // members that are about to leave
	ends    atomic.Bool    // the hub does: as closing says
	awaited atomic.Int64   // receivers that have still to acknowledge a publication
	slow    sync.WaitGroup // of requests that wait for room in a provider's outbox
	board   *bulletin.Board
	dead    *deadLetters // nil if none are kept
	locks   locks

	incarnation string // differs from that of every other hub
	instance    string // that handshakes tell: the same for all sessions
	lanes       routes.Lanes

	leftovers leftovers
	present   sync.WaitGroup // of members that have not left; waited for once none can come

	mu      sync.RWMutex
	closing *status.Error
	access  *guard.Access // nil for none
	dir     *directory.Directory[*Member]
	members map[string]*Member // nil for an id that is only reserved
	users   map[string]*user
	offers  map[place]*offer
	topics  map[place]*topic
	ways    *routes.Table[*Member]
	rooms   map[string]*room
	callers []*stopper      // who have asked for the end, and for what became of it
	rested  map[place]*toll // of channels and users that have gone, by scope and name
	feeds   int             // open, of all members
	gone    carried
}

// place is where a method or topic is.
type place struct{ channel, name string }

// New returns a Hub. An unknown OwnerPolicy or ErrorPolicy, a name or password in Passwords
// that cannot be one, a rate of channels that is not valid, or Schemas whose policy is unknown or lacks its
// Validator, is an error of the program: it panics.
func New(cfg Config) *Hub {
	cfg = cfg.withDefaults()
	if cfg.OwnerPolicy != Terminate && cfg.OwnerPolicy != Promote {
		panic("hub: unknown owner policy " + string(cfg.OwnerPolicy))
	}
	if !cfg.ErrorPolicy.Known() {
		panic("hub: unknown error policy " + string(cfg.ErrorPolicy))
	}
	for _, r := range cfg.ChannelRates {
		if err := r.Valid(); err != nil {
			panic("hub: " + err.Error())
		}
	}
	if err := cfg.Schemas.Valid(); err != nil {
		panic("hub: " + err.Error())
	}
	board := bulletin.New(cfg.Now)
	cfg.Log = board.Log(cfg.Log, slog.LevelDebug)
	h := &Hub{
		cfg: cfg, began: cfg.Now(), board: board,
		dir: directory.New[*Member](directory.Rules{
			Promote: cfg.OwnerPolicy == Promote, Channels: cfg.MaxChannels, Members: cfg.MaxMembersPerChannel,
			Names: cfg.MaxNamesPerChannel, Places: cfg.MaxChannelsPerMember,
			Terms: cfg.MaxSchemasPerMember,
		}),
		incarnation: directory.RandomName(12), instance: session.NewInstance(), ways: routes.New[*Member](cfg.ID),
		members: make(map[string]*Member), users: make(map[string]*user), offers: make(map[place]*offer),
		topics: make(map[place]*topic), rooms: make(map[string]*room), rested: make(map[place]*toll),
	}
	h.dead = h.newDeadLetters()
	h.queued.Mark, h.queued.Over, h.queued.Limit = cfg.MaxQueued, h.overfull, cfg.MaxQueued/4*5
	h.locks.preset(cfg.Passwords)
	h.cfg.Passwords, h.cfg.Access, h.access = nil, nil, cfg.Access
	h.dir.Judge(h.judge)
	h.dir.Heirs(func(channel string, m *Member) bool { return m.grants.Load().May(auth.VerbOwn, channel, "") })
	return h
}

// ID returns the hub's id.
func (h *Hub) ID() string { return h.cfg.ID }

// Close ends all sessions at once. New members are refused from now on.
func (h *Hub) Close() error {
	for _, m := range h.shut(&status.Error{Code: status.Unavailable, Message: "the hub was closed"}, false) {
		m.s.CloseWith(&status.Error{Code: status.PeerGone, Message: "the hub was closed"})
	}
	h.slow.Wait()
	h.dead.close()
	h.board.Wait()
	return nil
}
