// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"

	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func ttrpcGo() lab.System {
	return lab.System{
		Name: "ttrpc", About: "a Protobuf message with one field of bytes", Module: "github.com/containerd/ttrpc",
		Schemes: []string{"unix", "tcp"}, Cannot: cannot(), Serve: ttrpcServe, Dial: ttrpcDial,
	}
}

func ttrpcServe(j lab.Job) error {
	l, err := lab.Listen(j)
	if err != nil {
		return err
	}
	s, err := ttrpc.NewServer()
	if err != nil {
		return err
	}
	do := func(_ context.Context, decode func(any) error) (any, error) {
		in := &wrapperspb.BytesValue{}
		err := decode(in)
		return in, err
	}
	items := func(_ context.Context, stream ttrpc.StreamServer) (any, error) {
		in := &wrapperspb.BytesValue{}
		if err := stream.RecvMsg(in); err != nil {
			return nil, err
		}
		item := &wrapperspb.BytesValue{Value: make([]byte, j.Bytes)}
		for range binary.LittleEndian.Uint64(in.Value) {
			if err := stream.SendMsg(item); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	s.RegisterService("Bench", &ttrpc.ServiceDesc{
		Methods: map[string]ttrpc.Method{"Do": do},
		Streams: map[string]ttrpc.Stream{"Items": {Handler: items, StreamingServer: true}},
	})
	go func() { _ = s.Serve(context.Background(), l) }()
	return nil
}

func ttrpcDial(j lab.Job) (*lab.Client, error) {
	conn, err := lab.Connect(j)
	if err != nil {
		return nil, err
	}
	c := ttrpc.NewClient(conn)
	ctx := context.Background()
	return &lab.Client{
		Call: func(_ int, request []byte) ([]byte, error) {
			reply := &wrapperspb.BytesValue{}
			err := c.Call(ctx, "Bench", "Do", &wrapperspb.BytesValue{Value: request}, reply)
			return reply.Value, err
		},
		Stream: func(n int) error {
			request := &wrapperspb.BytesValue{Value: binary.LittleEndian.AppendUint64(nil, uint64(n))}
			stream, err := c.NewStream(ctx, &ttrpc.StreamDesc{StreamingServer: true}, "Bench", "Items", request)
			if err != nil {
				return err
			}
			for range n {
				if err := stream.RecvMsg(&wrapperspb.BytesValue{}); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}
