// SPDX-License-Identifier: Apache-2.0

package operation

import "strings"

// Link is the operation of bridges: LinkState -> LinkTable. It replaces what the session said
// before about the hubs that it leads to.
const Link = "link"

// FeatureBridge is what a session of a bridge writes into its HELLO. A hub refuses it to those
// whom no rule lets be a bridge.
const FeatureBridge = "bridge"

// NoticeRoute tells those who watch all channels that the best way to some hub is another.
const NoticeRoute = "route"

// Keys of the metadata of a session that stands for a member of another hub.
const (
	MetaLink    = "plexus.link"    // the id of the session that its bridge has linked
	MetaSession = "plexus.session" // the member's Session at its own hub
)

// Reach is a way to a hub, as the link says that leads there.
type Reach struct {
	Hub  string   `json:"hub"`
	Path []string `json:"path"` // from the hub at the other end of the link to Hub, both included
	Cost uint64   `json:"cost"` // hops << 32, and what tells ways of the same length apart
}

// LinkState is what a link says.
type LinkState struct {
	Routes []Reach `json:"routes"`
}

// Way is the best Reach to its Hub, and the session that has said it.
type Way struct {
	Reach
	Member string `json:"member"`
}

// LinkTable answers Link.
type LinkTable struct {
	Hub         string `json:"hub"`
	Incarnation string `json:"incarnation"` // differs between two hubs, and two lives of one
	Routes      []Way  `json:"routes"`
}

// Origin takes the id of a member of another hub apart: alice@west. For an id without '@' the
// hub is "": it is a member of the hub that one asks.
func Origin(id string) (member, hub string) {
	if i := strings.LastIndexByte(id, '@'); i >= 0 {
		return id[:i], id[i+1:]
	}
	return id, ""
}
