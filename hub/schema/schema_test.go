// SPDX-License-Identifier: Apache-2.0

package schema

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/wire"
)

func TestMain(m *testing.M) { leak.Main(m) }

// exactly is a Validator: the schema {"const":"x"} wants the payload x, any other is unusable.
type exactly struct{ compiled *int }

func (e exactly) Compile(schema json.RawMessage) (jsonschema.Judge, error) {
	*e.compiled++
	var s struct{ Const string }
	if json.Unmarshal(schema, &s) != nil || s.Const == "" {
		return nil, status.Errorf(status.InvalidArgument, "unusable")
	}
	return func(_ uint8, payload []byte) error {
		switch string(payload) {
		case s.Const:
			return nil
		case "long":
			return status.Errorf(status.LimitExceeded, "too long")
		}
		return jsonschema.Violation{Pointer: "/at", Reason: "it is not " + s.Const}.Err("the value")
	}, nil
}

func offer(shape wire.Shape, in, out string) *operation.Offer {
	return &operation.Offer{Channel: "ch", Method: "m", Shape: uint8(shape), Input: json.RawMessage(in), Output: json.RawMessage(out)}
}

func TestOffer(t *testing.T) {
	for _, c := range []struct {
		policy   Policy
		in, out  string
		compiled int
		checks   bool
		warning  bool
		code     status.Code
	}{
		{Off, `{"const":"a"}`, `{"other":1}`, 0, false, false, status.OK},
		{Off, `{"$ref":"http://x"}`, ``, 0, false, false, status.InvalidArgument},
		{Off, ``, `{"a":"` + strings.Repeat("x", jsonschema.MaxBytes) + `"}`, 0, false, false, status.TooLarge},
		{Warn, `{"const":"a"}`, ``, 1, true, false, status.OK},
		{Warn, `{"const":"a"}`, `{"other":1}`, 2, false, true, status.OK},
		{Warn, `{"const":`, ``, 0, false, false, status.InvalidArgument},
		{Reject, ` true `, `{ }`, 0, false, false, status.OK},
		{Reject, ``, `{"const":"b"}`, 1, true, false, status.OK},
		{Reject, `{"other":1}`, ``, 1, false, false, status.InvalidArgument},
	} {
		n := 0
		o := offer(wire.Unary, c.in, c.out)
		k, warning, err := Rules{c.policy, exactly{&n}}.Offer(o)
		if n != c.compiled || (k != nil) != c.checks || (warning != nil) != c.warning || status.CodeOf(err) != c.code {
			t.Errorf("%+v: %d compiled, %v, %v, %v", c, n, k, warning, err)
		}
		if err == nil && (len(o.Input) > 0 && o.Input[0] != '{' || string(o.Output) == "{ }") {
			t.Errorf("%s, %s", o.Input, o.Output)
		}
		if err != nil && !strings.Contains(err.Error(), "schema of ch/m: ") {
			t.Error(err)
		}
	}
	if _, _, err := (Rules{}).Offer(offer(4, "", "")); !errors.Is(err, status.InvalidArgument) {
		t.Error(err)
	}
}

// TestWhatIsJudged: each message by the schema that it is meant for, in each shape.
func TestWhatIsJudged(t *testing.T) {
	n := 0
	r := Rules{Reject, exactly{&n}}
	const in, out = "in", "out"
	for shape, want := range map[wire.Shape][4]string{ // request, sent, received, answer
		wire.Unary: {in, "", "", out}, wire.ServerStream: {in, "", out, ""}, wire.ClientStream: {"", in, "", out}, wire.Duplex: {"", in, out, ""},
	} {
		k, _, err := r.Offer(offer(shape, `{"const":"in"}`, `{"const":"out"}`))
		if err != nil {
			t.Fatal(err)
		}
		for i, judge := range []func(uint8, []byte) *status.Error{
			func(c uint8, p []byte) *status.Error { return k.Request(shape, c, p) }, k.Sent, k.Received, k.Answer,
		} {
			for _, payload := range []string{in, out} {
				err := judge(1, []byte(payload))
				if fits := want[i] == "" || want[i] == payload; fits != (err == nil) {
					t.Errorf("%v, %d: %s: %v", shape, i, payload, err)
				}
				if err == nil {
					continue
				}
				if v, _ := jsonschema.ViolationOf(err); v.Pointer != "/at" || (v.Subject == jsonschema.Output) != (payload == in) {
					t.Errorf("%v, %d: %+v", shape, i, v)
				}
			}
		}
		if err := k.Request((shape+1)%4, 1, []byte("x")); err != nil {
			t.Error("another shape was judged: ", err)
		}
	}
	k, _, err := r.Topic(&operation.Topic{Channel: "ch", Name: "t", Schema: json.RawMessage(`{"const":"in"}`)})
	if err != nil || k.Publication(1, []byte(in)) != nil || k.Publication(1, []byte("x")).Code != status.InvalidArgument ||
		k.Publication(1, []byte("long")).Code != status.LimitExceeded {
		t.Error(err)
	}
	var none *Checks
	if none.Publication(1, nil) != nil || none.Request(0, 1, nil) != nil || none.Sent(1, nil) != nil || none.Received(1, nil) != nil || none.Answer(1, nil) != nil {
		t.Error("no checks, and yet it is judged")
	}
}
