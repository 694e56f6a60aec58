// SPDX-License-Identifier: Apache-2.0

// Package operation names the operations of a hub: ordinary calls of methods on the
// reserved channel "$", with JSON requests and answers, which are declared here. A direct
// server knows Subscribe, Members, Explore and Status; the others it answers with
// status.Unimplemented. The package has no behaviour.
package operation

import "encoding/json"

// Channel is the reserved channel that the operations are methods of.
const Channel = "$"

// Feature is what a side that knows all operations writes into its HELLO.
const Feature = "hub"

// The operations. Those that answer with a stream are marked; their first item is a
// Confirmation, sent once the operation is in effect.
const (
	Join      = "join"      // Place -> Joined: become a member of a channel
	Leave     = "leave"     // Place -> Empty
	Provide   = "provide"   // Offer -> Empty: serve a method; joins the channel
	Withdraw  = "withdraw"  // Offer -> Empty
	Declare   = "declare"   // Topic -> Empty: allow publications on a topic; joins the channel
	Retract   = "retract"   // Topic -> Empty: ends its subscriptions' supply
	Subscribe = "subscribe" // Subscription -> stream of publications
	Watch     = "watch"     // Place -> stream of Notice; of all channels for ""
	Members   = "members"   // Place -> MemberList
	Explore   = "explore"   // Query -> Exploration: what a channel offers
	Channels  = "channels"  // Empty -> ChannelList
	Kick      = "kick"      // Eviction -> Empty: the owner, or an administrator, removes a member
	Tell      = "tell"      // Message -> Empty: an administrator writes to any session
	Unlock    = "unlock"    // Unlocking -> Unlocked: give the password of a channel; twice, see there
	Password  = "password"  // Protection -> Empty: the owner sets, changes or removes it
	Stats     = "stats"     // Empty -> HubStats
	Status    = "status"    // Empty -> HubStatus
	Stop      = "stop"      // StopRequest -> Stopped: end the hub; only where it is allowed
	Reload    = "reload"    // Empty -> Empty: an administrator has the files read anew that can change while it runs
)

// Empty is a request or answer without content: {}.
type Empty struct{}

// Place names a channel.
type Place struct {
	Channel string `json:"channel"`
}

// Joined answers Join.
type Joined struct {
	Channel string `json:"channel"`
	ID      string `json:"id"`    // the member's id
	Owner   string `json:"owner"` // the owner's id
	Members int    `json:"members"`
}

// Offer is a method that a member serves. Providing it again replaces shape and schemas.
type Offer struct {
	Channel string          `json:"channel"`
	Method  string          `json:"method"`
	Shape   uint8           `json:"shape,omitempty"`  // wire.Shape
	Input   json.RawMessage `json:"input,omitempty"`  // JSON Schema of what the caller sends: the request, or each item
	Output  json.RawMessage `json:"output,omitempty"` // of what it gets: the answer, or each item
	Sharing
}

// Topic is a publication name.
type Topic struct {
	Channel string          `json:"channel"`
	Name    string          `json:"name"`
	Shared  bool            `json:"shared,omitempty"` // anybody may publish, else only who declared it
	Schema  json.RawMessage `json:"schema,omitempty"` // JSON Schema of what is published
	// Keep and KeepAge have the hub keep values for those who subscribe later: the last so
	// many, those of the last so many seconds, or what fits both. The hub bounds their bytes.
	Keep    int     `json:"keep,omitempty"`
	KeepAge float64 `json:"keep_seconds,omitempty"`
}

// Subscription asks for the publications whose topics match a pattern.
type Subscription struct {
	Channel string `json:"channel"`
	Pattern string `json:"pattern"`
	Queue   int    `json:"queue,omitempty"`  // messages that may wait at the hub, 0 for its default
	Policy  string `json:"policy,omitempty"` // what happens when they are too many: see the Policy constants
	// QueueBytes is how many bytes may wait, 0 for the hub's default, which is the most.
	QueueBytes int `json:"queue_bytes,omitempty"`
	// Block is how long, in seconds, a publisher may be held up with the policy Block: 0 for
	// the hub's default, which is the most. OnBlock is the policy after that, DropOldest for "".
	Block   float64 `json:"block_seconds,omitempty"`
	OnBlock string  `json:"on_block,omitempty"`
	// Replay and ReplayAge ask for values that the topics keep: the last so many of each
	// topic, those of the last so many seconds, or what fits both.
	Replay    int     `json:"replay,omitempty"`
	ReplayAge float64 `json:"replay_seconds,omitempty"`
}

// Policies of a subscription whose queue is full.
const (
	DropOldest = "drop_oldest" // the default
	DropNewest = "drop_newest"
	Disconnect = "disconnect" // the subscription ends with status.Overloaded
	Block      = "block"      // publishers wait, for a short time; then another policy applies
)

// Confirmation is the first item of a stream that an operation answers with. Other items
// carry a label: a route of class label that names channel and topic.
type Confirmation struct {
	Effective bool   `json:"effective"`
	Topics    int    `json:"topics,omitempty"`   // declared ones that match now
	Replayed  int    `json:"replayed,omitempty"` // publications that come first and were kept from before
	Dropped   uint64 `json:"dropped,omitempty"`  // in later confirmations: a gap of so many messages is here
}

// Notice is what the hub tells those who watch a channel.
type Notice struct {
	Type    string `json:"type"` // see the Notice constants
	Channel string `json:"channel"`
	Member  string `json:"member,omitempty"`
	Name    string `json:"name,omitempty"` // of the method or topic
	Reason  string `json:"reason,omitempty"`
	Dropped uint64 `json:"dropped,omitempty"` // with NoticeGap
}

// Types of Notice.
const (
	NoticeJoin            = "join"
	NoticeLeave           = "leave"
	NoticeOwner           = "owner" // Member owns the channel now
	NoticeProvide         = "provide"
	NoticeWithdraw        = "withdraw"
	NoticeDeclare         = "declare"
	NoticeRetract         = "retract"
	NoticeSchema          = "schema"           // the method or topic Name has other schemas, or another shape, than before
	NoticeFirstSubscriber = "first_subscriber" // of the topic Name
	NoticeLastSubscriber  = "last_subscriber"
	NoticeTerminate       = "terminate" // the channel ended with its owner
	NoticeGap             = "gap"       // the watcher was slow: Dropped notices are missing here
)

// Member is an entry of MemberList.
type Member struct {
	ID       string            `json:"id"`
	Owner    bool              `json:"owner,omitempty"`
	Identity string            `json:"identity,omitempty"`
	Product  string            `json:"product,omitempty"`
	Address  string            `json:"address,omitempty"`
	Metadata map[string]string `json:"metadata,omitempty"`
	Age      float64           `json:"age_seconds"`
	Session  string            `json:"session,omitempty"` // tells the sessions that an id has had apart, also across bridges
	Path     []string          `json:"path,omitempty"`    // of a member of another hub: the hubs on the way to it, its own the last
	Methods  []string          `json:"methods,omitempty"`
	Groups   map[string]string `json:"groups,omitempty"` // of those of Methods that have one
	Topics   []string          `json:"topics,omitempty"`
}

// MemberList answers Members. For the channel "" it lists all sessions.
type MemberList struct {
	Channel   string   `json:"channel"`
	Members   []Member `json:"members"`
	Protected bool     `json:"protected,omitempty"` // the channel has a password, which the asker has given
}

// ChannelInfo is an entry of ChannelList.
type ChannelInfo struct {
	Name    string `json:"name"`
	Owner   string `json:"owner"`
	Members int    `json:"members"`
	Methods int    `json:"methods"`
	Topics  int    `json:"topics"`
}

// ChannelList answers Channels.
type ChannelList struct {
	Channels []ChannelInfo `json:"channels"`
}

// Query asks what a channel offers.
type Query struct {
	Channel string `json:"channel"`
	Name    string `json:"name,omitempty"`    // of one method or topic, "" for all
	Schemas bool   `json:"schemas,omitempty"` // with the schemas, of which there may be many bytes
}

// Exploration answers Explore, sorted by name. A name that is neither method nor topic is
// status.NotFound, as a channel that does not exist is.
type Exploration struct {
	Channel string       `json:"channel"`
	Owner   string       `json:"owner,omitempty"`
	Methods []MethodInfo `json:"methods"`
	Topics  []TopicInfo  `json:"topics"`
}

// MethodInfo is what is known of a method.
type MethodInfo struct {
	Name      string          `json:"name"`
	Shape     uint8           `json:"shape"` // wire.Shape
	Providers []string        `json:"providers"`
	Described bool            `json:"described,omitempty"` // there is a schema
	Input     json.RawMessage `json:"input,omitempty"`     // see Offer
	Output    json.RawMessage `json:"output,omitempty"`
	Sharing
	Active  int `json:"active,omitempty"`  // calls in flight, of a method with a group or a capacity
	Waiting int `json:"waiting,omitempty"` // and calls that wait at the hub
}

// TopicInfo is what is known of a topic.
type TopicInfo struct {
	Name      string          `json:"name"`
	Shared    bool            `json:"shared,omitempty"`
	Owners    []string        `json:"owners"` // who declared it
	Described bool            `json:"described,omitempty"`
	Schema    json.RawMessage `json:"schema,omitempty"` // see Topic
	Keep      int             `json:"keep,omitempty"`
	KeepAge   float64         `json:"keep_seconds,omitempty"`
}

// Eviction names a member to remove from a channel; from the hub, if that is "", which is
// for administrators.
type Eviction struct {
	Channel string `json:"channel"`
	Member  string `json:"member"`
	Reason  string `json:"reason,omitempty"`
}

// HubStatus answers Status.
type HubStatus struct {
	ID            string            `json:"id"`
	Kind          string            `json:"kind"` // "hub" or "server"
	Version       string            `json:"version,omitempty"`
	PID           int               `json:"pid"`
	Uptime        float64           `json:"uptime_seconds"`
	Endpoints     []string          `json:"endpoints,omitempty"`
	Sessions      int               `json:"sessions"`
	Channels      int               `json:"channels"`
	Methods       int               `json:"methods"`
	Topics        int               `json:"topics"`
	Subscriptions int               `json:"subscriptions"`
	Calls         uint64            `json:"calls"`                // routed so far
	Events        uint64            `json:"events"`               // routed so far
	Published     uint64            `json:"published"`            // taken from publishers
	Matched       uint64            `json:"matched"`              // publications × subscriptions, and replayed = delivered + dropped + queued
	Delivered     uint64            `json:"delivered"`            // handed to subscribers' sessions
	Queued        uint64            `json:"queued"`               // publications that wait for subscribers
	Orphaned      uint64            `json:"orphaned,omitempty"`   // of Published, those that nobody had subscribed to
	Replayed      uint64            `json:"replayed,omitempty"`   // of Matched, those kept from before
	Kept          uint64            `json:"kept_bytes,omitempty"` // by topics, for those who subscribe later
	Blocked       uint64            `json:"blocked,omitempty"`    // publications that held up their publisher
	Malformed     uint64            `json:"malformed,omitempty"`  // messages that did not fit their schema, where that is checked
	Twice         uint64            `json:"twice,omitempty"`      // publications of other hubs that came a second time, by another way
	Waiting       uint64            `json:"waiting,omitempty"`    // calls that wait for a provider of a group
	Refused       uint64            `json:"refused,omitempty"`    // calls, because too many waited
	Resent        uint64            `json:"resent,omitempty"`     // calls sent to another provider, because one had died
	Dropped       map[string]uint64 `json:"dropped"`              // by reason; other messages have event_ or notice_ before it
}

// StopRequest asks the hub to end.
type StopRequest struct {
	Drain float64 `json:"drain_seconds,omitempty"` // how long what is under way may take
	// Report has the answer wait for the end of all other sessions, and tell what was cut. A hub
	// that does not know it answers at once, without.
	Report bool `json:"report,omitempty"`
}
