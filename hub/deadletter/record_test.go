// SPDX-License-Identifier: Apache-2.0

package deadletter

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

func sample() Record {
	return Record{
		ID: 7, Time: time.Unix(1_700_000_000, 5).UTC(), Kind: operation.KindPublication, Channel: "orders", Name: "new.eu",
		Sender: Sender{"m-1", "uid:1000"}, Receiver: "m-2", Reason: "queue_full", Attempts: 3, Codec: 1, Priority: 2,
		Headers: []wire.Pair{{Key: "k", Value: "v"}}, Payload: []byte(`{"a":1}`),
	}
}

// A record comes back as it was stored, and not if any bit of it is another.
func TestRecordIsChecked(t *testing.T) {
	want := sample()
	b := want.Append(nil)
	got, err := Parse(b)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
	for bit := range 8 * len(b) {
		own := bytes.Clone(b)
		own[bit/8] ^= 1 << (bit % 8)
		if _, err := Parse(own); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	for n := range b {
		if _, err := Parse(b[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if d := want.Tell(false); d.Value != nil || d.Data != nil || d.Size != 7 || d.Headers["k"] != "v" {
		t.Errorf("%+v", d)
	}
	if d := want.Tell(true); string(d.Value) != `{"a":1}` {
		t.Errorf("%+v", d)
	}
	want.Codec = 2
	if d := want.Tell(true); d.Value != nil || !bytes.Equal(d.Data, want.Payload) {
		t.Errorf("%+v", d)
	}
}

// FuzzParse reads anything as a record: what is one is stored the same way again.
func FuzzParse(f *testing.F) {
	r := sample()
	f.Add(r.Append(nil))
	empty := Record{Time: time.Unix(0, 0)}
	f.Add(empty.Append(nil))
	f.Add([]byte("PXD1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(r.Append(nil))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%+v came back as %+v, %v", r, again, err)
		}
	})
}

func TestRules(t *testing.T) {
	for _, bad := range []string{"", "orders", "orders/", "/x", "$/logs.>", "orders/>=", "orders/>=why", "orders/>=queue_full,", "a..b/c"} {
		if _, err := ParseRule(bad); !errors.Is(err, status.InvalidArgument) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, c := range []struct {
		rule, channel, name, reason string
		keeps                       bool
	}{
		{"orders/>", "orders", "new.eu", "queue_full", true},
		{"orders/>", "other", "new.eu", "queue_full", false},
		{"orders/*", "orders", "new.eu", "closed", false},
		{"orders/>", "orders", "new", "malformed", false}, // the sender was told
		{"orders/>=malformed", "orders", "new", "malformed", true},
		{"orders/>=malformed,closed", "orders", "new", "queue_full", false},
		{">/>", "orders", "new", "no_subscriber", true},
		{">/>", "$", "logs.info", "queue_full", false},
	} {
		r, err := ParseRule(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		k := Keeping{Rules: []Rule{r}}
		if got := k.Keeps(c.channel, c.name, c.reason); got != c.keeps {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestFilters(t *testing.T) {
	r := sample()
	now := r.Time.Add(time.Minute)
	for _, c := range []struct {
		f  operation.DeadLetterFilter
		ok bool
	}{
		{operation.DeadLetterFilter{}, true},
		{operation.DeadLetterFilter{IDs: []uint64{1, 7}}, true},
		{operation.DeadLetterFilter{IDs: []uint64{1}}, false},
		{operation.DeadLetterFilter{Channel: "ord*"}, false}, // no pattern of ours
		{operation.DeadLetterFilter{Channel: "*", Name: "new.>", Kind: "publication", Reason: "queue_full", Sender: "m-1", Receiver: "m-2"}, true},
		{operation.DeadLetterFilter{Sender: "m-2"}, false},
		{operation.DeadLetterFilter{OlderThan: 60}, true},
		{operation.DeadLetterFilter{OlderThan: 61}, false},
	} {
		if CheckFilter(&c.f, false) != nil {
			continue
		}
		if got := Chosen(&c.f, &r, now); got != c.ok {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
	for _, f := range []operation.DeadLetterFilter{{}, {IDs: make([]uint64, 1001)}, {Channel: "a..b"}} {
		if CheckFilter(&f, true) == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	if CheckFilter(&operation.DeadLetterFilter{All: true}, true) != nil || CheckFilter(&operation.DeadLetterFilter{Reason: "x"}, true) != nil {
		t.Error("a filter that chooses is refused")
	}
}
