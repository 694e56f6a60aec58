// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/codec/cbor"
	"github.com/plexus-ipc/plexus/codec/msgpack"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/status"
)

type person struct {
	Name string            `json:"name" cbor:"name" msg:"name"`
	Tags map[string]uint16 `json:"tags,omitempty" cbor:"tags,omitempty" msg:"tags,omitempty"`
}

// What a method announces by its Go types is what the hub holds values against, in every
// codec that it can read.
func TestValidate(t *testing.T) {
	d := start(t, daemon.Config{Listen: []string{unix(t)}, Validate: "reject"})
	p, err := plexus.Dial(t.Context(), d.Endpoints()[0], nil)
	must(t, err)
	defer p.Close()
	for _, c := range []codec.Codec{codec.JSON{}, cbor.New(nil), msgpack.New(nil)} {
		t.Run(c.Name(), func(t *testing.T) {
			seen := 0
			reg, err := plexus.Handle(p.Channel("people"), "greet", func(_ context.Context, p person) (string, error) {
				seen++
				return "hello " + p.Name, nil
			}, plexus.WithCodec(c))
			must(t, err)
			out, err := plexus.Call[string](t.Context(), p.Channel("people"), "greet", map[string]any{"name": "Ann", "tags": map[string]any{"a": 7}}, plexus.WithCodec(c))
			must(t, err)
			if out != "hello Ann" {
				t.Error(out)
			}
			for pointer, in := range map[string]any{
				"/tags/a": map[string]any{"name": "Ann", "tags": map[string]any{"a": 70_000}}, "/name": map[string]any{"name": 7}, "": map[string]any{},
			} {
				_, err = plexus.Call[string](t.Context(), p.Channel("people"), "greet", in, plexus.WithCodec(c))
				v, ok := jsonschema.ViolationOf(err)
				if !ok || !errors.Is(err, status.InvalidArgument) || v.Pointer != pointer || !strings.Contains(err.Error(), "the request of people/greet") {
					t.Errorf("%v: %+v, %v", in, v, err)
				}
			}
			if seen != 1 {
				t.Errorf("the handler ran %d times", seen)
			}
			must(t, reg.Close(t.Context()))
		})
	}
	if !strings.Contains(d.log.String(), "message does not fit its schema") {
		t.Error("nothing was logged")
	}
}

func TestValidateIsChecked(t *testing.T) {
	if _, err := daemon.New(daemon.Config{Validate: "often"}); !errors.Is(err, status.InvalidArgument) || !strings.Contains(err.Error(), "off, warn or reject") {
		t.Fatal(err)
	}
}
