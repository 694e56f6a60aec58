// SPDX-License-Identifier: Apache-2.0

package codec_test

import (
	"errors"
	"fmt"

	"github.com/plexus-ipc/plexus/codec"
)

func ExampleFor() {
	type Add struct{ A, B int32 }
	v, err := codec.For[Add](codec.Fixed{})
	if err != nil {
		panic(err)
	}
	buf, _ := v.Append(nil, &Add{1, -2})
	var out Add
	err = v.Decode(buf, &out)
	fmt.Printf("%x %v %v\n", buf, out, err)
	// Output: 01000000feffffff {1 -2} <nil>
}

func ExampleSet() {
	var set codec.Set // Raw, JSON, Fixed
	c, _ := set.ByName("json")
	data, _ := c.Append(nil, map[string]any{"x": 1})
	fmt.Printf("%d %s\n", c.ID(), data)
	// Output: 1 {"x":1}
}

func ExampleError() {
	var v struct{ N int }
	err := codec.JSON{}.Decode([]byte(`{"N":"one"}`), &v)
	if e, ok := errors.AsType[*codec.Error](err); ok {
		fmt.Println(e.Codec, e.Op, e.Reason)
	}
	// Output: json decode mismatch
}

func ExampleRaw() {
	data, _ := codec.Raw{}.Append(nil, "any bytes")
	var v any
	_ = codec.Raw{}.Decode(data, &v)
	fmt.Printf("%s\n", v)
	// Output: any bytes
}

func ExampleCustom() {
	type Celsius int8
	v := codec.Custom(codec.Raw{},
		func(dst []byte, c Celsius) ([]byte, error) { return append(dst, byte(c)), nil },
		func(data []byte) (Celsius, error) {
			if len(data) != 1 {
				return 0, &codec.Error{Codec: "celsius", Op: codec.Decode, Reason: codec.Malformed, Err: errors.New("not one byte")}
			}
			return Celsius(data[0]), nil
		})
	warm := Celsius(21)
	data, _ := v.Append(nil, &warm)
	fmt.Println(data)
	// Output: [21]
}
