// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"fmt"

	"github.com/plexus-ipc/plexus/wire"
)

// A call of math/add: the BIND that gives route 1 its meaning, and the request itself.
func ExampleAppendFrame() {
	bind := wire.AppendBind(nil, wire.Bind{Class: wire.ClassMethod, Channel: "math", Name: "add"})
	out := wire.AppendFrame(nil, wire.Header{Kind: wire.KindBind, Route: 1}, nil, bind)
	first := len(out)
	out = wire.AppendFrame(out, wire.Header{Kind: wire.KindCall, Flags: wire.FlagEnd, Codec: 1, ID: 1 << 19, Route: 1}, nil, []byte("[20,22]"))

	h, _, payload, _ := wire.ParseFrame(out[:first])
	b, _ := wire.ParseBind(payload)
	fmt.Println(h.Kind, h.Route, b.Class, b.Channel, b.Name)
	h, _, payload, _ = wire.ParseFrame(out[first:])
	fmt.Println(h.Kind, h.Length, h.Route, string(payload))
	// Output:
	// BIND 1 method math add
	// CALL 47 1 [20,22]
}

func ExampleFindExtension() {
	data, _ := wire.AppendHeaders(nil, []wire.Pair{{Key: "tenant", Value: "acme"}})
	ext := wire.AppendExtension(nil, wire.ExtHeaders, data)

	data, _ = wire.FindExtension(ext, wire.ExtHeaders)
	pairs, _ := wire.ParseHeaders(nil, data)
	fmt.Println(pairs)
	// Output: [{tenant acme}]
}

func ExampleParsePreface() {
	_, err := wire.ParsePreface([]byte("GET / HTTP/1.1\r\n"))
	fmt.Println(err)
	// Output: wire: no Plexus preface: the peer speaks HTTP
}
