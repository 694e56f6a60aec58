// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"

	"github.com/hashicorp/yamux"

	"github.com/plexus-ipc/plexus/bench/compare/internal/lab"
)

func yamuxGo() lab.System {
	return lab.System{
		Name: "yamux", About: "no RPC: frames of length and bytes on raw streams, one stream per caller, buffers of 64 KiB for the stream row",
		Module: "github.com/hashicorp/yamux", Schemes: []string{"unix", "tcp"}, Cannot: cannot(), Serve: yamuxServe, Dial: yamuxDial,
	}
}

func yamuxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.MaxStreamWindowSize = window
	c.LogOutput = io.Discard
	return c
}

// readFrame reads a frame into b, which grows if it must.
func readFrame(r io.Reader, b []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return b, err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if cap(b) < n {
		b = make([]byte, n)
	}
	_, err := io.ReadFull(r, b[:n])
	return b[:n], err
}

// writeFrame writes a frame with one Write; scratch is memory for it.
func writeFrame(w io.Writer, scratch, p []byte) ([]byte, error) {
	scratch = binary.LittleEndian.AppendUint32(scratch[:0], uint32(len(p)))
	scratch = append(scratch, p...)
	_, err := w.Write(scratch)
	return scratch, err
}

func yamuxServe(j lab.Job) error {
	l, err := lab.Listen(j)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go yamuxSession(c, j)
		}
	}()
	return nil
}

func yamuxSession(c net.Conn, j lab.Job) {
	s, err := yamux.Server(c, yamuxConfig())
	if err != nil {
		return
	}
	for {
		stream, err := s.AcceptStream()
		if err != nil {
			return
		}
		go yamuxStream(stream, j)
	}
}

func yamuxStream(stream net.Conn, j lab.Job) {
	in, out := bufio.NewReaderSize(stream, 64<<10), bufio.NewWriterSize(stream, 64<<10)
	var request, scratch []byte
	item := make([]byte, j.Bytes)
	for {
		var err error
		if request, err = readFrame(in, request); err != nil {
			return
		}
		if j.Pattern == lab.Calls {
			if scratch, err = writeFrame(stream, scratch, request); err != nil {
				return
			}
			continue
		}
		for range binary.LittleEndian.Uint64(request) {
			if scratch, err = writeFrame(out, scratch, item); err != nil {
				return
			}
		}
		if out.Flush() != nil {
			return
		}
	}
}

func yamuxDial(j lab.Job) (*lab.Client, error) {
	c, err := lab.Connect(j)
	if err != nil {
		return nil, err
	}
	s, err := yamux.Client(c, yamuxConfig())
	if err != nil {
		return nil, err
	}
	type caller struct {
		stream         net.Conn
		in             *bufio.Reader
		reply, scratch []byte
	}
	all := make([]caller, j.Callers)
	for i := range all {
		stream, err := s.OpenStream()
		if err != nil {
			return nil, err
		}
		all[i] = caller{stream: stream, in: bufio.NewReaderSize(stream, 64<<10)}
	}
	send := func(c *caller, request []byte) (err error) {
		c.scratch, err = writeFrame(c.stream, c.scratch, request)
		return err
	}
	return &lab.Client{
		Call: func(i int, request []byte) ([]byte, error) {
			c := &all[i]
			if err := send(c, request); err != nil {
				return nil, err
			}
			var err error
			c.reply, err = readFrame(c.in, c.reply)
			return c.reply, err
		},
		Stream: func(n int) error {
			c := &all[0]
			if err := send(c, binary.LittleEndian.AppendUint64(nil, uint64(n))); err != nil {
				return err
			}
			for range n {
				var err error
				if c.reply, err = readFrame(c.in, c.reply); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}
