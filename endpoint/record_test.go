// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"testing"

	"github.com/plexus-ipc/plexus/endpoint"
)

func TestFromRecord(t *testing.T) {
	type record = endpoint.Record
	for _, c := range []struct {
		in   record
		want string // "" is an error
	}{
		{record{Transport: "tcp", Host: "localhost", Port: 80}, "tcp://localhost:80"},
		{record{Transport: "TCP", Host: "[::1]"}, "tcp://[::1]:0"},
		{record{Transport: "tcp", Host: "fe80::1%eth0", Port: 1}, "tcp://[fe80::1%25eth0]:1"},
		{record{Transport: "unix", Path: "/run/x y"}, "unix:///run/x%20y"},
		{record{Transport: "unix", Path: "/run/100%25"}, "unix:///run/100%2525"},
		{record{Transport: "unix", Path: "@x"}, "unix://@x"},
		{record{Transport: "unix", Name: "x"}, "unix://@x"},
		{record{Transport: "unix", Path: `C:\Temp\x`}, "unix:///C:/Temp/x"},
		{record{Transport: "npipe", PipeName: "demo"}, "npipe://./pipe/demo"},
		{record{Transport: "npipe", PipeName: `\\.\pipe\demo`}, "npipe://./pipe/demo"},
		{record{Transport: "npipe", PipeName: `\\srv\pipe\demo`}, "npipe://srv/pipe/demo"},
		{record{Transport: "npipe", Host: "srv", PipeName: "demo"}, "npipe://srv/pipe/demo"},
		{record{Transport: "ws", Host: "h", Path: "/rpc"}, "ws://h/rpc"},
		{record{Transport: "ws", Host: "h"}, "ws://h/"},
		{record{Transport: "mem", Name: "x"}, "mem://x"},
		{record{Transport: "fd", Name: "3"}, "fd://3"},
		{record{Transport: "stdio"}, "stdio:"},
		{record{Name: "demo"}, "auto:demo"},
		{record{Transport: "x-a", Host: "h", Port: 1, Path: "/p"}, "x-a://h:1/p"},

		{record{}, ""},
		{record{Transport: "udp", Host: "h", Port: 1}, ""},
		{record{Transport: "http", Host: "h", Port: 1}, ""},
		{record{Transport: "tcp", Port: 80}, ""},
		{record{Transport: "tcp", Host: "h", Port: -1}, ""},
		{record{Transport: "tcp", Host: "h", Port: 65536}, ""},
		{record{Transport: "tcp", Host: "h\n", Port: 1}, ""},
		{record{Transport: "tcp", Host: "h", Port: 1, Path: "/x"}, ""},
		{record{Transport: "tcp", Host: "h", Port: 1, PipeName: "x"}, ""},
		{record{Transport: "unix"}, ""},
		{record{Transport: "unix", Path: "run/x"}, ""},
		{record{Transport: "unix", Path: "@"}, ""},
		{record{Transport: "unix", Path: "/a", Name: "b"}, ""},
		{record{Transport: "unix", Path: "/a\x00"}, ""},
		{record{Transport: "unix", Path: "/a", Host: "h"}, ""},
		{record{Transport: "unix", Path: "/a", Port: 1}, ""},
		{record{Transport: "npipe"}, ""},
		{record{Transport: "npipe", Name: "x"}, ""},
		{record{Transport: "npipe", PipeName: `a\b`}, ""},
		{record{Transport: "ws", Host: "h", Path: "rpc"}, ""},
		{record{Transport: "x-a", Host: "h", Path: "rpc"}, ""},
		{record{Transport: "stdio", Name: "x"}, ""},
	} {
		e, err := endpoint.FromRecord(c.in)
		if e.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("FromRecord(%+v) = %q, %v; want %q", c.in, e, err, c.want)
		}
		if err == nil {
			checkRoundTrip(t, e)
		}
	}
}

func TestConstructors(t *testing.T) {
	for want, make := range map[string]func() (endpoint.Endpoint, error){
		"tcp://[::1]:80":      func() (endpoint.Endpoint, error) { return endpoint.TCP("::1", 80) },
		"unix:///run/x":       func() (endpoint.Endpoint, error) { return endpoint.Unix("/run/x") },
		"unix://@x":           func() (endpoint.Endpoint, error) { return endpoint.Unix("@x") },
		"npipe://./pipe/demo": func() (endpoint.Endpoint, error) { return endpoint.Pipe("demo") },
		"auto:demo":           func() (endpoint.Endpoint, error) { return endpoint.Auto("demo") },
	} {
		if e, err := make(); err != nil || e.String() != want {
			t.Errorf("got %q, %v; want %q", e, err, want)
		}
	}
}
