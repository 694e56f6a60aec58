// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"

	"storj.io/drpc"
	"storj.io/drpc/drpcconn"
	"storj.io/drpc/drpcserver"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func drpcGo() lab.System {
	return lab.System{
		Name: "drpc", About: "bytes without Protobuf; a connection carries one call at a time, so each caller has one of its own",
		Module: "storj.io/drpc", Schemes: []string{"unix", "tcp"}, Cannot: cannot(), Serve: drpcServe, Dial: drpcDial,
	}
}

// plainBytes passes bytes on.
type plainBytes struct{}

func (plainBytes) Marshal(m drpc.Message) ([]byte, error) { return *m.(*[]byte), nil }

func (plainBytes) Unmarshal(b []byte, m drpc.Message) error {
	p := m.(*[]byte)
	*p = append((*p)[:0], b...)
	return nil
}

// drpcHandler echoes, or streams.
type drpcHandler struct{ bytes int }

// HandleRPC implements drpc.Handler.
func (h drpcHandler) HandleRPC(stream drpc.Stream, name string) error {
	var in []byte
	if err := stream.MsgRecv(&in, plainBytes{}); err != nil {
		return err
	}
	if name == "Do" {
		return stream.MsgSend(&in, plainBytes{})
	}
	item := make([]byte, h.bytes)
	for range binary.LittleEndian.Uint64(in) {
		if err := stream.MsgSend(&item, plainBytes{}); err != nil {
			return err
		}
	}
	return stream.CloseSend()
}

func drpcServe(j lab.Job) error {
	l, err := lab.Listen(j)
	if err != nil {
		return err
	}
	go func() { _ = drpcserver.New(drpcHandler{j.Bytes}).Serve(context.Background(), l) }()
	return nil
}

func drpcDial(j lab.Job) (*lab.Client, error) {
	conns := make([]*drpcconn.Conn, j.Callers)
	replies := make([][]byte, j.Callers)
	for i := range conns {
		c, err := lab.Connect(j)
		if err != nil {
			return nil, err
		}
		conns[i] = drpcconn.New(c)
	}
	ctx := context.Background()
	return &lab.Client{
		Call: func(i int, request []byte) ([]byte, error) {
			err := conns[i].Invoke(ctx, "Do", plainBytes{}, &request, &replies[i])
			return replies[i], err
		},
		Stream: func(n int) error {
			stream, err := conns[0].NewStream(ctx, "Items", plainBytes{})
			if err != nil {
				return err
			}
			request := binary.LittleEndian.AppendUint64(nil, uint64(n))
			if err := stream.MsgSend(&request, plainBytes{}); err != nil {
				return err
			}
			for range n {
				if err := stream.MsgRecv(&replies[0], plainBytes{}); err != nil {
					return err
				}
			}
			return stream.Close()
		},
	}, nil
}
