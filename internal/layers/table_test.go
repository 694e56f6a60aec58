// SPDX-License-Identifier: Apache-2.0

package layers

// The layers, upper imports lower:
//
//	L7  cmd/*                      examples/*, scripts/*, bench, tools stand outside: nobody imports them
//	L6  daemon
//	L5  bridge  bridge/*  gateway/*  supervise  policy  dashboard
//	L4  . (the facade, which can serve a hub)  hub  hub/hubtest  hub/hubtest/model
//	L3  client  server  hub/directory  hub/balance  hub/guard  hub/deadletter  hub/schema  hub/bulletin  hub/quota
//	    hub/letterbox  hub/deadletter/bolt  hub/retain  hub/outlet  hub/receipt  hub/routes
//	L2  session  service
//	L1  codec  codec/*  transport  transport/*  auth  auth/*  seal  jsonschema  jsonschema/*  telemetry  telemetry/*
//	L0  endpoint  status  subject  operation  wire  internal/*
//
// A row is one package with its internal/ packages, or, as "x/*", every room directly below x with all that is inside
// it. A room imports itself and what lies lower. Everything else is a line in this table, with its reason.
var table = []row{
	{layer: 0, path: "endpoint"},
	{layer: 0, path: "status"},
	{layer: 0, path: "subject"},
	{layer: 0, path: "operation"},
	// Pure bytes: no goroutine, no clock, no I/O.
	{layer: 0, path: "wire", noStd: []string{"context", "net", "os", "os/signal", "sync", "syscall", "time"}},
	{layer: 0, path: "internal/*"},

	{layer: 1, path: "codec"},
	{layer: 1, path: "codec/*", also: []string{"codec"}}, // implements its interface
	// A transport moves opaque frames: what is in them is none of its business.
	{layer: 1, path: "transport", never: []string{"wire"}},
	{layer: 1, path: "transport/*", also: []string{"transport"}, never: []string{"wire"}}, // implements its interfaces
	{layer: 1, path: "auth"},
	{layer: 1, path: "auth/*", also: []string{"auth"}}, // implements its interface
	{layer: 1, path: "seal", also: []string{"codec"}},  // a codec around another
	{layer: 1, path: "jsonschema"},
	{layer: 1, path: "jsonschema/*", also: []string{"jsonschema", "codec"}}, // judges payloads, behind its interface
	{layer: 1, path: "telemetry"},
	{layer: 1, path: "telemetry/*", also: []string{"telemetry"}}, // implements its hooks

	{layer: 2, path: "session"},
	// What client and server have in common above the session.
	{layer: 2, path: "service", also: []string{"session"}, never: []string{"wire"}},

	{layer: 3, path: "client", never: []string{"wire"}},
	{layer: 3, path: "server", never: []string{"wire"}},
	// The hub's five answers are pure: `now` is an argument, and nothing of the outside is reached.
	{layer: 3, path: "hub/quota", never: hubNever, noStd: pureStd},
	{layer: 3, path: "hub/directory", also: []string{"hub/quota"}, never: hubNever, noStd: pureStd}, // its limits, in quota's words
	{layer: 3, path: "hub/balance", never: hubNever, noStd: pureStd},
	{layer: 3, path: "hub/guard", also: []string{"hub/quota"}, never: hubNever, noStd: pureStd}, // likewise
	{layer: 3, path: "hub/deadletter", never: hubNever, noStd: pureStd},
	// Dead letters on their way to a store, with the goroutine that writes them, and the store in a file: it implements
	// deadletter's interface and has nothing to do with hubs otherwise.
	{layer: 3, path: "hub/letterbox", also: []string{"hub/deadletter"}, never: hubNever, noStd: pureStd},
	{layer: 3, path: "hub/deadletter/bolt", also: []string{"hub/deadletter"}, never: hubNever},
	{layer: 3, path: "hub/schema", never: hubNever, noStd: pureStd},
	// What the hub itself has to say, and the goroutine that says it.
	{layer: 3, path: "hub/bulletin", never: hubNever, noStd: pureStd},
	{layer: 3, path: "hub/retain", never: hubNever, noStd: pureStd},
	{layer: 3, path: "hub/routes", never: hubNever, noStd: pureStd},
	// What waits before a receiver: the queues of deadletter, under a lock.
	{layer: 3, path: "hub/outlet", also: []string{"hub/deadletter"}, never: hubNever, noStd: pureStd},

	// What becomes of a publication in each outlet.
	{layer: 3, path: "hub/receipt", also: []string{"hub/deadletter", "hub/outlet"}, never: hubNever, noStd: pureStd},

	{layer: 4, path: "hub", never: hubNever},
	{layer: 4, path: "hub/hubtest", also: []string{"hub"}},                // a hub in memory, for tests
	{layer: 4, path: "hub/hubtest/model"},                                 // tests only, of the hub against a model
	{layer: 4, path: ".", also: []string{"hub"}, never: []string{"wire"}}, // a Server may serve a hub.Hub

	{layer: 5, path: "bridge"},
	{layer: 5, path: "bridge/*", also: []string{"bridge"}}, // a bridge over somebody else's network
	{layer: 5, path: "gateway/*"},                          // no gateway imports another
	{layer: 5, path: "supervise"},
	{layer: 5, path: "policy", never: []string{"wire", "transport"}}, // wraps what the facade calls by
	{layer: 5, path: "dashboard"},

	{layer: 6, path: "daemon"},

	{layer: 7, path: "cmd/*"},

	{layer: outside, path: "examples"},
	{layer: outside, path: "examples/*"},
	{layer: outside, path: "scripts/*"},
	{layer: outside, path: "bench"},
	{layer: outside, path: "clients/python/testpeer"},
	{layer: outside, path: "bench/*"},
	{layer: outside, path: "tools"},
}

// hubNever: the hub routes references; it sees a Validator and a Renderer, which daemon makes of codec and schema.
var hubNever = []string{"transport", "client", "server", "codec"}

// pureStd is what a pure part of the hub never needs.
var pureStd = []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall"}

// suites are the packages made for tests: only tests and other suites import them, tests of any layer.
var suites = []string{"transport/transporttest", "codec/codectest", "hub/hubtest", "internal/leak", "internal/cable"}

// onlySpeaker is the one room that may know both wire and transport: only session puts wire bytes on a Conn.
const onlySpeaker = "session"

// outside is the layer of what nobody imports.
const outside = 8

// row is one line of the table.
type row struct {
	layer int
	path  string
	also  []string // rooms of the same layer it may import
	never []string // rooms, with all below them, that it may not import although they are lower
	noStd []string // packages of the standard library that it may not import
}
