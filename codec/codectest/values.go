// SPDX-License-Identifier: Apache-2.0

package codectest

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/plexus-ipc/plexus/codec"
)

func (x *suite) identity(t *testing.T) {
	if name := x.c.Name(); name == "" || name != strings.ToLower(name) {
		t.Errorf("Name() = %q, want lower case", name)
	}
	set := codec.NewSet(x.c)
	if c, ok := set.ByID(x.c.ID()); !ok || c.Name() != x.c.Name() {
		t.Errorf("a Set does not find it by ID %d", x.c.ID())
	}
	if c, ok := set.ByName(x.c.Name()); !ok || c.ID() != x.c.ID() {
		t.Errorf("a Set does not find it by name %q", x.c.Name())
	}
}

func (x *suite) roundTrip(t *testing.T) {
	x.eachSample(t, func(t *testing.T, v any) {
		if got := x.decode(t, x.encode(t, v), v); !x.Equal(got, v) {
			t.Errorf("got  %#v\nwant %#v", got, v)
		}
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		if a, b := x.encode(t, v), x.encode(t, p.Interface()); !bytes.Equal(a, b) {
			t.Errorf("a pointer encodes as %x, its value as %x", b, a)
		}
	})
}

// roundTripAny checks that what arrives as an any leaves as a fixed point: what encodes it
// again decodes to the same.
func (x *suite) roundTripAny(t *testing.T) {
	if x.Typed {
		t.Skip("typed only")
	}
	x.eachSample(t, func(t *testing.T, v any) {
		var first, second any
		if err := x.c.Decode(x.encode(t, v), &first); err != nil {
			t.Fatal(err)
		}
		again := x.encode(t, first)
		if err := x.c.Decode(again, &second); err != nil {
			t.Fatal(err)
		}
		if !x.Equal(first, second) {
			t.Errorf("first  %#v\nsecond %#v", first, second)
		}
	})
}

// roundTripValue goes through codec.For, once boxed (the type is not known here) as an any.
func (x *suite) roundTripValue(t *testing.T) {
	if x.Typed {
		t.Skip("typed only")
	}
	val, err := codec.For[any](x.c)
	if err != nil {
		t.Fatal(err)
	}
	x.eachSample(t, func(t *testing.T, v any) {
		data, err := val.Append([]byte("prefix"), &v)
		if err != nil || !bytes.Equal(data[len("prefix"):], x.encode(t, v)) {
			t.Fatalf("Value.Append = %x, %v", data, err)
		}
		var a, b any
		if err := errors.Join(val.Decode(data[len("prefix"):], &a), x.c.Decode(data[len("prefix"):], &b)); err != nil {
			t.Fatal(err)
		}
		if !x.Equal(a, b) {
			t.Errorf("Value decodes %#v, the codec %#v", a, b)
		}
	})
}

func (x *suite) appendBehindPrefix(t *testing.T) {
	x.eachSample(t, func(t *testing.T, v any) {
		plain := x.encode(t, v)
		for _, room := range []int{0, len(plain), 2*len(plain) + 4096} {
			dst := append(make([]byte, 0, 6+room), "prefix"...)
			got, err := x.c.Append(dst, v)
			if err != nil || string(got[:6]) != "prefix" || !bytes.Equal(got[6:], plain) {
				t.Fatalf("with room for %d: %d bytes, %v", room, len(got), err)
			}
		}
	})
}

// appendKeepsNothing overwrites what Append returned and looks at the next result.
func (x *suite) appendKeepsNothing(t *testing.T) {
	x.eachSample(t, func(t *testing.T, v any) {
		want := bytes.Clone(x.encode(t, v))
		dst := make([]byte, 0, len(want)+64)
		for range 3 {
			got, err := x.c.Append(dst, v)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			scribble(got)
		}
		if !x.Equal(x.decode(t, want, v), v) {
			t.Error("the value was changed")
		}
	})
}

func (x *suite) appendIsDeterministic(t *testing.T) {
	x.eachSample(t, func(t *testing.T, v any) {
		want := x.encode(t, v)
		for range 8 {
			if got := x.encode(t, x.decode(t, want, v)); !bytes.Equal(got, want) {
				t.Fatalf("%x\n%x", got, want)
			}
		}
	})
}

func (x *suite) appendRefuses(t *testing.T) {
	got, err := x.c.Append([]byte("prefix"), x.Bad)
	e := x.typed(t, codec.Encode, err)
	if e != nil && e.Reason != codec.Unsupported {
		t.Errorf("reason %q", e.Reason)
	}
	if string(got) != "prefix" {
		t.Errorf("dst became %q", got)
	}
}

// decodeIsPrivate overwrites the input and looks whether the value has changed.
func (x *suite) decodeIsPrivate(t *testing.T) {
	x.eachSample(t, func(t *testing.T, v any) {
		data := x.encode(t, v)
		got := x.decode(t, data, v)
		scribble(data)
		if !x.Equal(got, v) {
			t.Error("the value changed with the input")
		}
		if x.Typed {
			return
		}
		data = x.encode(t, v)
		var free any
		if err := x.c.Decode(data, &free); err != nil {
			t.Fatal(err)
		}
		before := x.encode(t, free)
		scribble(data)
		if !bytes.Equal(before, x.encode(t, free)) {
			t.Error("the any changed with the input")
		}
	})
}

func (x *suite) decodeBadTarget(t *testing.T) {
	data := x.encode(t, x.Samples[0])
	for _, v := range []any{nil, 5, Struct{}, (*Struct)(nil), (*any)(nil), (*[]byte)(nil), new(chan int)} {
		if err := x.c.Decode(data, v); err == nil {
			t.Errorf("Decode into %T succeeded", v)
		} else {
			x.typed(t, codec.Decode, err)
		}
	}
}

// concurrent is for the race detector.
func (x *suite) concurrent(t *testing.T) {
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			for _, v := range x.Samples {
				data, err := x.c.Append(nil, v)
				if err == nil {
					err = x.c.Decode(data, reflect.New(reflect.TypeOf(v)).Interface())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
}

// typed checks that err is the error that package codec promises.
func (x *suite) typed(t *testing.T, op codec.Op, err error) *codec.Error {
	t.Helper()
	e, ok := errors.AsType[*codec.Error](err)
	switch {
	case !ok:
		t.Errorf("error %v (%T) is not a *codec.Error", err, err)
		return nil
	case e.Codec != x.c.Name() || e.Op != op || e.Reason == "" || e.Err == nil:
		t.Errorf("error %+v is incomplete", *e)
	}
	return e
}

func scribble(b []byte) {
	for i := range b {
		b[i] = 0xAA
	}
}
