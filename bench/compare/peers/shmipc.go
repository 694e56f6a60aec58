// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"

	"github.com/cloudwego/shmipc-go"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func shmipcGo() lab.System {
	return lab.System{
		Name: "shmipc", About: "no RPC: frames of length and bytes on streams of one session, one stream per caller; a memfd of 256 MiB, slices that hold a whole message",
		Module: "github.com/cloudwego/shmipc-go", Schemes: []string{"shm"}, Serve: shmipcServe, Dial: shmipcDial,
	}
}

func shmipcConfig(c *shmipc.Config) {
	c.ShareMemoryBufferCap = 256 << 20
	c.MemMapType = shmipc.MemMapTypeMemFd
	c.LogOutput = io.Discard
	c.BufferSliceSizes = []*shmipc.SizePercentPair{{Size: 8 << 10, Percent: 40}, {Size: 2 << 20, Percent: 60}}
}

func shmipcServe(j lab.Job) error {
	_, path := lab.Split(j.At)
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			config := shmipc.DefaultConfig()
			shmipcConfig(config)
			s, err := shmipc.Server(c, config)
			if err != nil {
				return
			}
			go shmipcSession(s, j)
		}
	}()
	return nil
}

func shmipcSession(s *shmipc.Session, j lab.Job) {
	for {
		stream, err := s.AcceptStream()
		if err != nil {
			return
		}
		go func() {
			for shmipcAnswer(stream, j) == nil {
			}
		}()
	}
}

// shmipcRead returns the next frame, in place; release gives it back.
func shmipcRead(s *shmipc.Stream) (p []byte, release func(), err error) {
	r := s.BufferReader()
	head, err := r.ReadBytes(4)
	if err != nil {
		return nil, nil, err
	}
	n := int(binary.LittleEndian.Uint32(head))
	p, err = r.ReadBytes(n)
	return p, s.ReleaseReadAndReuse, err
}

// shmipcWrite writes a frame into shared memory; it goes with Flush.
func shmipcWrite(s *shmipc.Stream, p []byte) error {
	b, err := s.BufferWriter().Reserve(4 + len(p))
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(b, uint32(len(p)))
	lab.Copy(b[4:], p)
	return nil
}

func shmipcAnswer(s *shmipc.Stream, j lab.Job) error {
	p, release, err := shmipcRead(s)
	if err != nil {
		return err
	}
	defer release()
	switch j.Pattern {
	case lab.Calls:
		if err := shmipcWrite(s, p); err != nil {
			return err
		}
	case lab.Loans:
		answer := binary.LittleEndian.AppendUint64(nil, uint64(bytes.Count(p, []byte{'y'})))
		if err := shmipcWrite(s, answer); err != nil {
			return err
		}
	case lab.Streams:
		item := make([]byte, j.Bytes)
		for i := range binary.LittleEndian.Uint64(p) {
			if err := shmipcWrite(s, item); err != nil {
				return err
			}
			if i%64 == 63 {
				if err := s.Flush(false); err != nil {
					return err
				}
			}
		}
	}
	return s.Flush(false)
}

func shmipcDial(j lab.Job) (*lab.Client, error) {
	config := shmipc.DefaultSessionManagerConfig()
	shmipcConfig(config.Config)
	_, config.Address = lab.Split(j.At)
	config.Network = "unix"
	manager, err := shmipc.NewSessionManager(config)
	if err != nil {
		return nil, err
	}
	streams, replies := make([]*shmipc.Stream, j.Callers), make([][]byte, j.Callers)
	for i := range streams {
		if streams[i], err = manager.GetStream(); err != nil {
			return nil, err
		}
	}
	// one sends a request and gives use the answer, in place.
	one := func(i int, request []byte, use func([]byte)) error {
		if err := shmipcWrite(streams[i], request); err != nil {
			return err
		}
		if err := streams[i].Flush(false); err != nil {
			return err
		}
		p, release, err := shmipcRead(streams[i])
		if err != nil {
			return err
		}
		use(p)
		release()
		return nil
	}
	content := bytes.Repeat([]byte{'x'}, j.Bytes)
	return &lab.Client{
		Call: func(i int, request []byte) ([]byte, error) {
			err := one(i, request, func(p []byte) {
				if len(replies[i]) != len(p) {
					replies[i] = make([]byte, len(p))
				}
				lab.Copy(replies[i], p)
			})
			return replies[i], err
		},
		Loan: func() error { return one(0, content, func([]byte) {}) },
		Stream: func(n int) error {
			own := make([]byte, j.Bytes)
			if err := one(0, binary.LittleEndian.AppendUint64(nil, uint64(n)), func(p []byte) { copy(own, p) }); err != nil {
				return err
			}
			for i := 1; i < n; i++ {
				p, _, err := shmipcRead(streams[0])
				if err != nil {
					return err
				}
				copy(own, p)
				if i%64 == 0 {
					streams[0].BufferReader().ReleasePreviousRead()
				}
			}
			streams[0].BufferReader().ReleasePreviousRead()
			return nil
		},
	}, nil
}
