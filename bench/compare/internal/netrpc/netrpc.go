// SPDX-License-Identifier: Apache-2.0

// Package netrpc is net/rpc of the standard library as a system of the comparison.
package netrpc

import (
	"net/rpc"
	"runtime"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// System returns net/rpc.
func System() lab.System {
	return lab.System{
		Name: "net/rpc", About: "gob, " + runtime.Version(), Schemes: []string{"unix", "tcp"},
		Serve: serve, Dial: dial,
		Cannot: map[string]string{lab.Streams: "it has no streams", lab.Loans: "it has no shared memory"},
	}
}

// Echo is what is called.
type Echo struct{}

// Do answers with the request.
func (Echo) Do(request []byte, reply *[]byte) error {
	*reply = request
	return nil
}

func serve(j lab.Job) error {
	l, err := lab.Listen(j)
	if err != nil {
		return err
	}
	s := rpc.NewServer()
	if err := s.Register(Echo{}); err != nil {
		return err
	}
	go s.Accept(l)
	return nil
}

func dial(j lab.Job) (*lab.Client, error) {
	c, err := lab.Connect(j)
	if err != nil {
		return nil, err
	}
	client := rpc.NewClient(c)
	return &lab.Client{Call: func(_ int, request []byte) ([]byte, error) {
		var reply []byte
		err := client.Call("Echo.Do", request, &reply)
		return reply, err
	}}, nil
}
