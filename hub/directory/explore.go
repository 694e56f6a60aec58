// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// List returns all channels by name, and no error.
func (d *Directory[M]) List(operation.Empty) (operation.ChannelList, error) {
	list := operation.ChannelList{Channels: []operation.ChannelInfo{}}
	for _, c := range d.Channels() {
		i := operation.ChannelInfo{Name: c.Name, Owner: c.owner.ID()}
		i.Members, i.Methods, i.Topics = c.Counts()
		list.Channels = append(list.Channels, i)
	}
	return list, nil
}

// Explore returns what a channel offers, or one name of it.
func (d *Directory[M]) Explore(q operation.Query) (operation.Exploration, error) {
	out := operation.Exploration{Channel: q.Channel, Methods: []operation.MethodInfo{}, Topics: []operation.TopicInfo{}}
	c := d.channels[q.Channel]
	if c == nil {
		return out, status.Errorf(status.NotFound, "there is no channel %q", q.Channel)
	}
	out.Owner = c.owner.ID()
	for _, name := range slices.Sorted(maps.Keys(c.methods)) {
		if q.Name == "" || q.Name == name {
			out.Methods = append(out.Methods, c.methods[name].info(name, q.Schemas))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.topics)) {
		if q.Name == "" || q.Name == name {
			out.Topics = append(out.Topics, c.topics[name].info(name, q.Schemas))
		}
	}
	if q.Name != "" && len(out.Methods)+len(out.Topics) == 0 {
		return out, status.Errorf(status.NotFound, "channel %s has neither a method nor a topic %q", q.Channel, q.Name)
	}
	return out, nil
}

func (t *topic[M]) info(name string, schemas bool) operation.TopicInfo {
	i := operation.TopicInfo{Name: name, Shared: t.shared, Owners: []string{}, Described: t.terms.Size() > 0, Keep: t.terms.Keep.Values, KeepAge: t.terms.Keep.Age.Seconds()}
	for _, m := range t.holders {
		i.Owners = append(i.Owners, m.ID())
	}
	if schemas {
		i.Schema = json.RawMessage(t.terms.Input)
	}
	return i
}
