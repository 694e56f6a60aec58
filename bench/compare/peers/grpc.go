// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"runtime"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

// window is what may be under way: more than a message of the comparison.
const window = 8 << 20

func grpcGo() lab.System {
	return lab.System{
		Name: "gRPC", About: "grpc-go, bytes without Protobuf, windows of 8 MiB, a stream worker per core; insecure",
		Module: "google.golang.org/grpc", Schemes: []string{"unix", "tcp"}, Cannot: cannot(), Serve: grpcServe, Dial: grpcDial,
	}
}

// rawCodec passes bytes on.
type rawCodec struct{}

func (rawCodec) Name() string { return "raw" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func grpcServe(j lab.Job) error {
	l, err := lab.Listen(j)
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxRecvMsgSize(window), grpc.MaxSendMsgSize(window),
		grpc.InitialWindowSize(window), grpc.InitialConnWindowSize(window), grpc.NumStreamWorkers(uint32(runtime.NumCPU())))
	do := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in []byte
		err := decode(&in)
		return &in, err
	}
	items := func(_ any, stream grpc.ServerStream) error {
		var in []byte
		if err := stream.RecvMsg(&in); err != nil {
			return err
		}
		item := make([]byte, j.Bytes)
		for range binary.LittleEndian.Uint64(in) {
			if err := stream.SendMsg(&item); err != nil {
				return err
			}
		}
		return nil
	}
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "Bench", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Do", Handler: do}},
		Streams: []grpc.StreamDesc{{StreamName: "Items", Handler: items, ServerStreams: true}},
	}, struct{}{})
	go func() { _ = s.Serve(l) }()
	return nil
}

func grpcDial(j lab.Job) (*lab.Client, error) {
	scheme, rest := lab.Split(j.At)
	target := "passthrough:///" + rest
	if scheme == "unix" {
		target = "unix:" + rest
	}
	c, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(window),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(window), grpc.MaxCallSendMsgSize(window)))
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return &lab.Client{
		Call: func(_ int, request []byte) ([]byte, error) {
			var reply []byte
			err := c.Invoke(ctx, "/Bench/Do", &request, &reply)
			return reply, err
		},
		Stream: func(n int) error {
			stream, err := c.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/Bench/Items")
			if err != nil {
				return err
			}
			request := binary.LittleEndian.AppendUint64(nil, uint64(n))
			if err := stream.SendMsg(&request); err != nil {
				return err
			}
			if err := stream.CloseSend(); err != nil {
				return err
			}
			var item []byte
			for range n {
				if err := stream.RecvMsg(&item); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}
