// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

func TestGuard(t *testing.T) {
	most := Bounds{Queue: 5, Bytes: 100, Block: 50 * time.Millisecond}
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		what string
		err  error
		want status.Code
	}{
		{"method", Route(wire.Bind{Class: wire.ClassMethod, Channel: "ch", Name: "a.b"}), status.OK},
		{"target", Route(wire.Bind{Class: wire.ClassEvent, Channel: "ch", Name: "m", Target: "$hub"}), status.InvalidArgument},
		{"no channel", Route(wire.Bind{Class: wire.ClassMethod, Name: "m"}), status.InvalidArgument},
		{"reserved channel", Route(wire.Bind{Class: wire.ClassBroadcast, Channel: "$logs", Name: "m"}), status.InvalidArgument},
		{"topic pattern", Route(wire.Bind{Class: wire.ClassTopic, Channel: "ch", Name: "a.*"}), status.InvalidArgument},
		{"any id", Newcomer("", "p", nil, 10), status.OK},
		{"reserved id", Newcomer("$x", "p", nil, 10), status.InvalidArgument},
		{"much metadata", Newcomer("x", "p", map[string]string{"k": "0123456789"}, 10), status.LimitExceeded},
		{"long product", Newcomer("x", long, nil, 10), status.LimitExceeded},
		{"watch all", Watch(&operation.Place{}), status.OK},
		{"watch reserved", Watch(&operation.Place{Channel: "$"}), status.InvalidArgument},
		{"subscription", Subscription(&operation.Subscription{Channel: "ch", Pattern: ">", Queue: 5}, most), status.OK},
		{"bad pattern", Subscription(&operation.Subscription{Channel: "ch", Pattern: ">.a"}, most), status.InvalidArgument},
		{"long queue", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Queue: 6}, most), status.InvalidArgument},
		{"policy", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Policy: "x"}, most), status.InvalidArgument},
		{"many bytes", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", QueueBytes: 101}, most), status.InvalidArgument},
		{"block", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Policy: operation.Block, Block: 0.05, OnBlock: operation.DropNewest}, most), status.OK},
		{"long block", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Policy: operation.Block, Block: 0.06}, most), status.InvalidArgument},
		{"block then block", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Policy: operation.Block, OnBlock: operation.Block}, most), status.InvalidArgument},
		{"time without block", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Block: 0.01}, most), status.InvalidArgument},
		{"replay", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Replay: 3, ReplayAge: 1.5}, most), status.OK},
		{"replay of less than none", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", Replay: -1}, most), status.InvalidArgument},
		{"replay since the future", Subscription(&operation.Subscription{Channel: "ch", Pattern: "a", ReplayAge: -1}, most), status.InvalidArgument},
		{"keep", Topic(&operation.Topic{Keep: 3, KeepAge: 1e6}), status.OK},
		{"keep for ever", Topic(&operation.Topic{KeepAge: 1e300}), status.InvalidArgument},
		{"empty request", request("op", 9, ""), status.OK},
		{"codec", request("op", 2, "{}"), status.InvalidArgument},
		{"size", request("op", 1, strings.Repeat(" ", MaxRequest+1)), status.TooLarge},
		{"depth", request("op", 1, "[[[[["), status.InvalidArgument},
		{"brackets in a string", request("op", 1, `{"a":"[[[[[\"{{{{"}`), status.OK},
		{"no JSON", request("op", 1, `{"a":`), status.InvalidArgument},
		{"schemas", request(operation.Provide, 1, `{"input":`+strings.Repeat("[", 32)+strings.Repeat("]", 32)+strings.Repeat(" ", 60<<10)+`}`), status.OK},
		{"too many schemas", request(operation.Declare, 1, strings.Repeat(" ", 100<<10)), status.TooLarge},
		{"deep schema", request(operation.Provide, 1, `{"input":`+strings.Repeat("[", 33)), status.InvalidArgument},
	} {
		if got := status.CodeOf(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
		if e, ok := errors.AsType[*status.Error](c.err); c.err != nil && (!ok || e.Message == "") {
			t.Errorf("%s: no sentence: %v", c.what, c.err)
		}
	}
	if got := Eviction("o", strings.Repeat("x", 2000)); len(got) > 1060 || Eviction("o", "") != "removed by the owner, o" {
		t.Error(got)
	}
	in := operation.Subscription{Channel: "ch", Pattern: "a"}
	if Subscription(&in, most) != nil || in.Policy != operation.DropOldest {
		t.Errorf("%+v", in)
	}
}

func request(op string, codec uint8, payload string) error {
	var in any
	return Request(op, codec, []byte(payload), &in)
}

// Whatever comes, a request is judged without a panic, and what passes does not nest deeply.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"channel":"a\"b","x":[[]]}`))
	f.Add([]byte(`"\`))
	f.Fuzz(func(t *testing.T, p []byte) {
		var in any
		if Request("op", jsonCodec, p, &in) == nil && (len(p) > MaxRequest || len(p) > 0 && !json.Valid(p)) {
			t.Fatal("it passes")
		}
	})
}
