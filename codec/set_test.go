// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
)

func names(s codec.Set) string {
	var all []string
	for _, c := range s.All() {
		all = append(all, c.Name())
	}
	return strings.Join(all, " ")
}

func TestSet(t *testing.T) {
	var zero codec.Set
	with := zero.With(free{})
	if got := names(zero); got != "raw json fixed" {
		t.Errorf("zero: %s", got)
	}
	if got := names(with); got != "raw json fixed free" {
		t.Errorf("with: %s", got)
	}
	if got := names(codec.NewSet()); got != "" {
		t.Errorf("empty: %s", got)
	}
	if _, ok := zero.ByID(codec.IDCustom); ok {
		t.Error("With changed the Set it was called on")
	}
	if _, ok := zero.ByName("cbor"); ok {
		t.Error("found what is not there")
	}
	zero.All()[0] = nil
	if c, ok := zero.ByID(codec.IDRaw); !ok || c == nil || zero.All()[0] == nil {
		t.Error("All shares memory with the Set")
	}
}

// other has the name of JSON under another number.
type other struct{ free }

func (other) Name() string { return "json" }

func TestSetReplaces(t *testing.T) {
	var zero codec.Set
	c, _ := zero.With(codec.JSON{UseNumber: true}).ByName("json")
	if c != (codec.JSON{UseNumber: true}) {
		t.Errorf("by ID: %+v", c)
	}
	s := zero.With(other{})
	if got := names(s); got != "raw fixed json" {
		t.Errorf("by name: %s", got)
	}
	if _, ok := s.ByID(codec.IDJSON); ok {
		t.Error("the replaced codec is still found by its ID")
	}
}

func TestError(t *testing.T) {
	err := error(&codec.Error{Codec: "json", Op: codec.Decode, Reason: codec.Malformed, Err: io.ErrUnexpectedEOF})
	if got, want := err.Error(), "codec json: decode: malformed: unexpected EOF"; got != want {
		t.Errorf("%s\n%s", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("does not unwrap")
	}
}
