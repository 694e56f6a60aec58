// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"log/slog"
	"time"

	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/hub/deadletter"
	"github.com/plexus-ipc/plexus/hub/directory"
	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/hub/outlet"
	"github.com/plexus-ipc/plexus/hub/quota"
	"github.com/plexus-ipc/plexus/hub/schema"
)

// OwnerPolicy says what becomes of a channel whose owner leaves.
type OwnerPolicy string

// The policies.
const (
	Terminate OwnerPolicy = "terminate" // it ends: all members are removed from it
	Promote   OwnerPolicy = "promote"   // the earliest other member owns it from then on
)

// Defaults of Config.
const (
	DefaultQueue       = 1024
	DefaultQueueBytes  = 8 << 20
	DefaultMaxQueue    = 64 << 10
	DefaultMaxBlock    = 50 * time.Millisecond
	DefaultKickedFor   = time.Minute
	DefaultMaxChannels = 4096
	DefaultMaxMembers  = 16 << 10
	DefaultMaxNames    = 16 << 10
	DefaultMaxPlaces   = 1024
	DefaultMaxFeeds    = 4096
	DefaultMaxMetadata = 4 << 10
	DefaultMaxSchemas  = 4 << 20
	DefaultMaxOffers   = 16 << 10
	DefaultMaxQueued   = 64 << 20
	DefaultMaxBacklog  = 512 << 20
	DefaultMaxTopic    = 8 << 20
	DefaultMaxKept     = 64 << 20
	DefaultMaxAwaited  = 64 << 10
	DefaultMaxWaiting  = 1024
	DefaultMaxAttempts = 3
)

// Config describes a Hub. The zero value is useful. It is copied by New.
type Config struct {
	// ID is the hub's name among hubs; "" makes one: "hub-" and four random letters.
	ID string
	// Version is what Status tells of the program.
	Version string

	// OwnerPolicy is Terminate ("") or Promote.
	OwnerPolicy OwnerPolicy

	// ErrorPolicy is Broadcast (""), Ignore or Raise.
	ErrorPolicy ErrorPolicy
	// Rights say who may read what the hub publishes on the channel "$", and who may remove
	// any member from the hub, and write to it. The zero value: the user that it runs as.
	Rights guard.Rights
	// Access says who may do what in which channel; nil: everybody everything. Whatever it says,
	// an identity never gets more than its own bound. SetAccess replaces it.
	Access *guard.Access

	// DefaultQueue and DefaultQueueBytes bound what waits at the hub for one subscription,
	// one watch, or the events of one name for one member: messages, and their bytes. One
	// message may wait whatever its length.
	DefaultQueue, DefaultQueueBytes int
	// MaxQueue is the longest queue that a subscription may ask for.
	MaxQueue int

	// MaxBlock is how long a subscription may hold up a publisher each time.
	MaxBlock time.Duration

	// MaxChannels is how many channels may exist at a time.
	MaxChannels int
	// MaxMembersPerChannel is how many members a channel takes.
	MaxMembersPerChannel int
	// MaxNamesPerChannel is how many methods a channel holds, and how many topics.
	MaxNamesPerChannel int
	// MaxChannelsPerMember is how many channels a member may be in.
	MaxChannelsPerMember int
	// MaxSubscriptionsPerMember is how many subscriptions and watches a member may have.
	MaxSubscriptionsPerMember int
	// MaxMethodsPerMember and MaxTopicsPerMember are how many a member may provide and
	// declare, in all channels together.
	MaxMethodsPerMember, MaxTopicsPerMember int
	// MaxQueuedPerMember bounds the bytes that wait at the hub for one member, in all its
	// queues together; what is more is dropped as if its queue were full.
	MaxQueuedPerMember int
	// MaxQueued bounds the bytes that wait at the hub for all members together. When more wait,
	// the session of the member for whom most do is ended with status.LimitExceeded, and so on.
	// That takes a moment: above it by a quarter, what is more is dropped as if queues were full.
	MaxQueued int
	// PerUser bounds what the sessions of one user have together. The zero value does not.
	PerUser quota.Bounds
	// MaxMetadata is how many bytes a member's product, and the keys and values of its
	// metadata, may have together.
	MaxMetadata int

	// MaxKeptBytesPerTopic and MaxKeptBytes bound what topics keep for those who subscribe
	// later, in bytes: one topic, and all together. What is too much is forgotten, the oldest
	// of the topic first.
	MaxKeptBytesPerTopic, MaxKeptBytes int

	// MaxAwaited is how many receivers of acknowledged publications the hub waits for at a
	// time, of all publishers together.
	MaxAwaited int

	// MaxWaiting is how many calls may wait at the hub for the providers of one method, when
	// all of them have as many as they take; more are refused with status.Overloaded. Those
	// that wait, and those that are kept to be sent again, have DefaultQueueBytes together.
	MaxWaiting int
	// MaxAttempts is how many providers of a group a call is sent to, one after the other, that
	// may be executed twice: when one dies before it has answered.
	MaxAttempts int

	// MaxSchemasPerMember is how many bytes of schemas a member may announce.
	MaxSchemasPerMember int
	// Schemas says what becomes of messages that do not fit the schema of their method or
	// topic. Its zero value looks into none.
	Schemas schema.Rules

	// MaxRatePerMember is how many calls, events, broadcasts and publications a second a member
	// may send, and as many at once after a rest; 0 for any number. A call too many fails with
	// status.LimitExceeded, which says how long to wait; of the rest what is too much is dropped,
	// counted, and told to the sender by the failure of its next one.
	MaxRatePerMember int

	// ChannelRates bound the messages of channels, of all members together, as MaxRatePerMember
	// does those of a member: the first pattern that matches the name counts.
	ChannelRates []quota.ChannelRate

	// KickedFor is how long a session that was removed from a channel may not come back: a
	// minute if it is 0, not at all if it is negative.
	KickedFor time.Duration

	// DeadLetters says which messages that nobody got are kept, and where. The zero value keeps
	// none and costs nothing. What waits to be written is written when Close or Drain returns.
	DeadLetters deadletter.Keeping

	// Passwords are those of channels that nobody but this configuration sets, by channel.
	// New keeps verifiers of them only; each takes some hundredths of a second.
	Passwords map[string]string

	// Bridges is the rule that says which identities may be bridges: link the hub with others and
	// speak for their members. It must not block. nil: nobody may.
	Bridges func(auth.Identity) bool

	// AllowStop lets members end the hub by the operation Stop, which calls OnStop.
	AllowStop bool
	// OnStop is called on a goroutine of its own, at most once, with the time that what is
	// under way may take. It is expected to end in Drain or Close.
	OnStop func(drain time.Duration)

	// OnReload reads anew what can change while the hub runs, by the operation Reload of an
	// administrator, who is told its error. It runs on a goroutine of the hub, which Close waits
	// for; calls may overlap. nil: there is nothing to reload.
	OnReload func(context.Context) error

	// Endpoints tells Status where the hub listens; nil for nowhere.
	Endpoints func() []string
	// Log takes what is worth a line; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// outlet describes an Outlet whose queue has so many messages, 0 for the default.
func (c *Config) outlet(to outlet.Sender, tally *deadletter.Tally, limit int, policy string) outlet.Config {
	if limit == 0 {
		limit = c.DefaultQueue
	}
	return outlet.Config{To: to, Tally: tally, Limit: limit, Bytes: c.DefaultQueueBytes, Policy: policy}
}

// withDefaults returns a copy with every zero field set.
func (c Config) withDefaults() Config {
	if c.ID == "" {
		c.ID = "hub-" + directory.RandomName(4)
	}
	if c.OwnerPolicy == "" {
		c.OwnerPolicy = Terminate
	}
	if c.ErrorPolicy == "" {
		c.ErrorPolicy = Broadcast
	}
	for _, d := range []struct {
		field *int
		value int
	}{
		{&c.DefaultQueue, DefaultQueue}, {&c.DefaultQueueBytes, DefaultQueueBytes}, {&c.MaxQueue, DefaultMaxQueue},
		{&c.MaxChannels, DefaultMaxChannels}, {&c.MaxMembersPerChannel, DefaultMaxMembers},
		{&c.MaxNamesPerChannel, DefaultMaxNames}, {&c.MaxChannelsPerMember, DefaultMaxPlaces},
		{&c.MaxSubscriptionsPerMember, DefaultMaxFeeds}, {&c.MaxMetadata, DefaultMaxMetadata},
		{&c.MaxSchemasPerMember, DefaultMaxSchemas}, {&c.MaxQueuedPerMember, DefaultMaxQueued}, {&c.MaxQueued, DefaultMaxBacklog},
		{&c.MaxMethodsPerMember, DefaultMaxOffers}, {&c.MaxTopicsPerMember, DefaultMaxOffers},
		{&c.MaxSchemasPerMember, DefaultMaxSchemas}, {&c.MaxKeptBytesPerTopic, DefaultMaxTopic}, {&c.MaxKeptBytes, DefaultMaxKept},
		{&c.MaxAwaited, DefaultMaxAwaited},
		{&c.MaxWaiting, DefaultMaxWaiting}, {&c.MaxAttempts, DefaultMaxAttempts},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.KickedFor == 0 {
		c.KickedFor = DefaultKickedFor
	}
	if c.MaxBlock <= 0 {
		c.MaxBlock = DefaultMaxBlock
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
