// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func connectGo() lab.System {
	return lab.System{
		Name: "connect", About: "connect-go on net/http, HTTP/2 without TLS, a Protobuf message with one field of bytes",
		Module: "connectrpc.com/connect", Schemes: []string{"unix", "tcp"}, Cannot: cannot(), Serve: connectServe, Dial: connectDial,
	}
}

type connectBytes = wrapperspb.BytesValue

func plainHTTP2() *http.Protocols {
	p := &http.Protocols{}
	p.SetUnencryptedHTTP2(true)
	return p
}

func connectServe(j lab.Job) error {
	l, err := lab.Listen(j)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/Bench/Do", connect.NewUnaryHandler("/Bench/Do", func(_ context.Context, r *connect.Request[connectBytes]) (*connect.Response[connectBytes], error) {
		return connect.NewResponse(r.Msg), nil
	}))
	mux.Handle("/Bench/Items", connect.NewServerStreamHandler("/Bench/Items", func(_ context.Context, r *connect.Request[connectBytes], s *connect.ServerStream[connectBytes]) error {
		item := &connectBytes{Value: make([]byte, j.Bytes)}
		for range binary.LittleEndian.Uint64(r.Msg.Value) {
			if err := s.Send(item); err != nil {
				return err
			}
		}
		return nil
	}))
	server := &http.Server{Handler: mux, Protocols: plainHTTP2(), HTTP2: &http.HTTP2Config{
		MaxReceiveBufferPerConnection: window, MaxReceiveBufferPerStream: window, MaxReadFrameSize: 1 << 20, MaxConcurrentStreams: 1000,
	}}
	go func() { _ = server.Serve(l) }()
	return nil
}

func connectDial(j lab.Job) (*lab.Client, error) {
	network, address := lab.Split(j.At)
	transport := &http.Transport{
		Protocols: plainHTTP2(), HTTP2: &http.HTTP2Config{MaxReceiveBufferPerConnection: window, MaxReceiveBufferPerStream: window, MaxReadFrameSize: 1 << 20},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	web := &http.Client{Transport: transport}
	do := connect.NewClient[connectBytes, connectBytes](web, "http://bench/Bench/Do")
	items := connect.NewClient[connectBytes, connectBytes](web, "http://bench/Bench/Items")
	ctx := context.Background()
	return &lab.Client{
		Call: func(_ int, request []byte) ([]byte, error) {
			reply, err := do.CallUnary(ctx, connect.NewRequest(&connectBytes{Value: request}))
			if err != nil {
				return nil, err
			}
			return reply.Msg.Value, nil
		},
		Stream: func(n int) error {
			request := connect.NewRequest(&connectBytes{Value: binary.LittleEndian.AppendUint64(nil, uint64(n))})
			stream, err := items.CallServerStream(ctx, request)
			if err != nil {
				return err
			}
			for stream.Receive() {
				n--
			}
			if err := stream.Err(); err != nil || n != 0 {
				return err
			}
			return stream.Close()
		},
	}, nil
}
