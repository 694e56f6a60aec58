// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
)

func TestJSONWritesPlainly(t *testing.T) {
	got, err := codec.JSON{}.Append([]byte("> "), map[string]any{"html": "<a&b>", "b": []byte{1, 2}})
	if want := `> {"b":"AQI=","html":"<a&b>"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestJSONReasons(t *testing.T) {
	var n struct{ N int8 }
	reason(t, codec.JSON{}.Decode([]byte(`{"N":"x"}`), &n), codec.Mismatch)
	reason(t, codec.JSON{}.Decode([]byte(`{"N":300}`), &n), codec.Mismatch)
	reason(t, codec.JSON{}.Decode([]byte(`{"N":1`), &n), codec.Malformed)
	reason(t, codec.JSON{}.Decode(nil, &n), codec.Malformed)
	reason(t, codec.JSON{UseNumber: true}.Decode(nil, &n), codec.Malformed)
	reason(t, codec.JSON{UseNumber: true}.Decode([]byte("1 2"), &n), codec.Malformed)
	reason(t, codec.JSON{}.Decode([]byte(`1`), n), codec.Unsupported)
	for _, v := range []any{math.NaN(), func() {}, cycle()} {
		_, err := codec.JSON{}.Append(nil, v)
		reason(t, err, codec.Unsupported)
	}
	_, err := codec.JSON{}.Append(nil, json.RawMessage(nestedJSON(33)))
	reason(t, err, codec.TooDeep)
}

func cycle() any {
	m := map[string]any{}
	m["me"] = m
	return m
}

func TestJSONUseNumberKeepsDigits(t *testing.T) {
	const big = "9007199254740993"
	var v any
	if err := (codec.JSON{UseNumber: true}).Decode([]byte(big), &v); err != nil || v != json.Number(big) {
		t.Errorf("%v, %v", v, err)
	}
	if err := (codec.JSON{}).Decode([]byte(big), &v); err != nil || v != 9007199254740992.0 {
		t.Errorf("%v, %v", v, err)
	}
}
