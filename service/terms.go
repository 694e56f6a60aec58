// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
)

// Terms are what a method is offered with: which streams it has, and JSON Schemas of what
// the caller sends (the request, or each item) and of what it gets (the answer, or each
// item); nil for none. The bytes belong to whoever is given the Terms.
type Terms struct {
	Shape         session.Shape
	Input, Output json.RawMessage
	// Sharing is how the method is shared with other providers at a hub.
	operation.Sharing
	// InPlace has the handler read a payload where the sender has put it, if that can be: for
	// one that takes it as a session.Loan. It is told to nobody.
	InPlace bool
}

// check judges the schemas by their form.
func (t *Terms) check() error {
	if err := jsonschema.Check(t.Input); err != nil {
		return err
	}
	return jsonschema.Check(t.Output)
}

// TopicTerms are what a topic is declared with.
type TopicTerms struct {
	Shared bool            // others may publish on it, too
	Schema json.RawMessage // of what is published, nil for none
	// Keep and KeepAge have the hub keep the last values, or those of an age, for those who
	// subscribe later; 0 and 0 is nothing. A direct peer keeps none.
	Keep    int
	KeepAge time.Duration
}

// Direct returns what the terms ask for that only a hub has.
func (t *TopicTerms) Direct() error {
	if t.Keep != 0 || t.KeepAge != 0 {
		return errKeep
	}
	return nil
}

// Explore tells what this side offers in a channel: the operation of that name, as a direct
// peer serves it.
func (t *Table) Explore(q operation.Query) (operation.Exploration, error) {
	out := operation.Exploration{Channel: q.Channel, Methods: []operation.MethodInfo{}, Topics: []operation.TopicInfo{}}
	wanted := func(k key) bool { return k.channel == q.Channel && (q.Name == "" || q.Name == k.name) }
	t.mu.RLock()
	defer t.mu.RUnlock()
	for k, m := range t.methods {
		o := m.serve.Load()
		if o == nil || !wanted(k) {
			continue
		}
		i := operation.MethodInfo{Name: k.name, Shape: uint8(o.terms.Shape), Providers: []string{}, Described: len(o.terms.Input)+len(o.terms.Output) > 0}
		if q.Schemas {
			i.Input, i.Output = o.terms.Input, o.terms.Output
		}
		out.Methods = append(out.Methods, i)
	}
	for k, x := range t.topics {
		if !wanted(k) {
			continue
		}
		i := operation.TopicInfo{Name: k.name, Shared: x.terms.Shared, Owners: []string{}, Described: len(x.terms.Schema) > 0}
		if q.Schemas {
			i.Schema = x.terms.Schema
		}
		out.Topics = append(out.Topics, i)
	}
	if len(out.Methods)+len(out.Topics) == 0 && q.Name != "" {
		return out, status.Errorf(status.NotFound, "the peer has neither a method nor a topic %q", q.Name)
	}
	slices.SortFunc(out.Methods, func(a, b operation.MethodInfo) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Topics, func(a, b operation.TopicInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// explore serves the operation.
func (t *Table) explore(c *session.Call) {
	var q operation.Query
	err := decodeRequest(c, &q)
	if s := c.Session(); err == nil && s != nil {
		err = mayExplore(s.Peer().Identity, q.Channel)
	}
	if err == nil {
		var x operation.Exploration
		if x, err = t.Explore(q); err == nil {
			AnswerJSON(c, x)
			return
		}
	}
	c.Fail(err)
}
