// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"errors"
	"fmt"

	"github.com/plexus-ipc/plexus/endpoint"
)

func ExampleParse() {
	for _, text := range []string{"demo", "unix:///run//demo.sock?mode=660", "TCP://[0::1]:80"} {
		e, err := endpoint.Parse(text)
		fmt.Println(e, e.Address(), err)
	}
	// Output:
	// auto:demo demo <nil>
	// unix:///run/demo.sock?mode=0660 /run/demo.sock <nil>
	// tcp://[::1]:80 [::1]:80 <nil>
}

func ExampleParseError() {
	_, err := endpoint.Parse("localhost:80")
	var refused *endpoint.ParseError
	fmt.Println(errors.As(err, &refused), refused.Reason)
	// Output: true a host and port need a scheme; write tcp://host:port, with brackets around an IPv6 address
}

func ExampleEndpoint_Format() {
	e, spelling, err := endpoint.ParseForeign("tab.tcp://localhost:auto")
	fmt.Println(e, spelling, err)
	text, err := e.Format(endpoint.SpellingHostPort)
	fmt.Println(text, err)
	// Output:
	// tcp://localhost:0 hyper <nil>
	// localhost:0 <nil>
}

func ExampleEndpoint_Resolve() {
	getenv := func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000"}[name] }
	e, err := endpoint.Auto("demo")
	if err == nil {
		e, err = e.Resolve(endpoint.RuntimeDir(getenv, 1000, "linux"))
	}
	fmt.Println(e, err)
	// Output: unix:///run/user/1000/plexus/demo.sock <nil>
}

func ExampleEndpoint_SupportedOn() {
	e, _ := endpoint.Pipe("demo")
	err := e.SupportedOn("linux")
	fmt.Println(errors.Is(err, errors.ErrUnsupported))
	fmt.Println(err)
	// Output:
	// true
	// endpoint npipe://./pipe/demo cannot be used on linux: named pipes exist on Windows only; use unix
}

func ExampleArgs() {
	e, _ := endpoint.TCP("127.0.0.1", 7483)
	fmt.Println(endpoint.Args(e), endpoint.Env(e))
	// Output: [--plexus-endpoint=tcp://127.0.0.1:7483] [PLEXUS_ENDPOINT=tcp://127.0.0.1:7483]
}

func ExampleFromRecord() {
	e, err := endpoint.FromRecord(endpoint.Record{Transport: "npipe", PipeName: `\\.\pipe\demo`})
	fmt.Println(e, err)
	// Output: npipe://./pipe/demo <nil>
}
