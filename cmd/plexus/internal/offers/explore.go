// SPDX-License-Identifier: Apache-2.0

package offers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/session"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// All is what "explore --output json" prints.
type All struct {
	Channels []operation.Exploration `json:"channels"`
}

// Explore explores the channel that args names, or all of a hub, or a direct peer. ch is the
// handle on the hub itself.
func Explore(ctx context.Context, ch *plexus.Channel, args []string) (*All, error) {
	x := &All{Channels: []operation.Exploration{}}
	names := args
	if len(args) == 0 || args[0] == "" {
		var list operation.ChannelList
		switch err := ch.Operate(ctx, operation.Channels, operation.Empty{}, &list); {
		case errors.Is(err, status.Unimplemented): // a direct peer
			names = []string{""}
		case err != nil:
			return nil, err
		default:
			names = nil
			for _, c := range list.Channels {
				names = append(names, c.Name)
			}
		}
	}
	for _, name := range names {
		one, err := exploreOne(ctx, ch, name)
		if errors.Is(err, status.NotFound) && len(args) == 0 {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, err
		}
		x.Channels = append(x.Channels, one)
	}
	return x, nil
}

// exploreOne explores a channel with its schemas, or without where they are too many.
func exploreOne(ctx context.Context, ch *plexus.Channel, name string) (x operation.Exploration, err error) {
	q := operation.Query{Channel: name, Schemas: true}
	if err = ch.Operate(ctx, operation.Explore, q, &x); errors.Is(err, status.TooLarge) {
		q.Schemas = false
		err = ch.Operate(ctx, operation.Explore, q, &x)
	}
	return x, err
}

// Print writes a table whose columns are parted by tabs.
func (x *All) Print(w io.Writer) {
	fmt.Fprintln(w, "NAME\tKIND\tTAKES\tGIVES\tBY")
	for _, c := range x.Channels {
		for _, m := range c.Methods {
			left := m.Described && len(m.Input)+len(m.Output) == 0
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", subject.JoinMethod(c.Channel, m.Name), kindOf(m.Shape), digest(m.Input, left), digest(m.Output, left),
				orDash(strings.Join(m.Providers, " ")+sharing(&m)))
		}
		for _, t := range c.Topics {
			kind := "topic"
			if t.Shared {
				kind = "shared topic"
			}
			fmt.Fprintf(w, "%s\t%s\t-\t%s\t%s\n", subject.JoinMethod(c.Channel, t.Name), kind, digest(t.Schema, t.Described && len(t.Schema) == 0), orDash(strings.Join(t.Owners, " ")))
		}
	}
}

// sharing tells how providers share a method: (group, policy, what goes on).
func sharing(m *operation.MethodInfo) string {
	var words []string
	if m.Group != "" {
		words = append(words, m.Group, m.Balance)
	}
	if m.Capacity > 0 {
		words = append(words, fmt.Sprintf("%d of %d busy", m.Active, m.Capacity))
	}
	if m.Waiting > 0 {
		words = append(words, fmt.Sprintf("%d wait", m.Waiting))
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

// kindOf names a shape for people: by the verb that calls it, where there is one.
func kindOf(shape uint8) string {
	switch session.Shape(shape) {
	case session.Unary:
		return "call"
	case session.ServerStream:
		return "stream"
	case session.ClientStream:
		return "upload"
	case session.Duplex:
		return "duplex"
	}
	return fmt.Sprintf("shape %d", shape)
}

// PrintSchemas writes the schemas of all methods and topics of x.
func PrintSchemas(w io.Writer, x *operation.Exploration) {
	for _, m := range x.Methods {
		fmt.Fprintf(w, "%s (%s%s)\n", subject.JoinMethod(x.Channel, m.Name), kindOf(m.Shape), by(m.Providers))
		printSchema(w, "takes", m.Input)
		printSchema(w, "gives", m.Output)
	}
	for _, t := range x.Topics {
		fmt.Fprintf(w, "%s (topic%s)\n", subject.JoinMethod(x.Channel, t.Name), by(t.Owners))
		printSchema(w, "gives", t.Schema)
	}
}

func by(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return " by " + strings.Join(ids, ", ")
}

func printSchema(w io.Writer, what string, schema json.RawMessage) {
	var b bytes.Buffer
	if len(schema) == 0 || json.Indent(&b, schema, "", "  ") != nil {
		b.Reset()
		b.WriteString("anything: no schema is announced")
	}
	fmt.Fprintf(w, "%s: %s\n", what, b.String())
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
