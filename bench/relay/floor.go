// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
)

// The floor of publications: three processes that copy chunks of 64 KiB and parse nothing.
// That of calls: frames of u32 length, u32 slot, payload through a relay that copies what
// it reads; a lone caller reads its own reply, several combine their writes.

const (
	chunk  = 64 << 10
	header = 40
)

func dial(j job, kind byte) net.Conn {
	_, path, _ := strings.Cut(j.At, "://")
	c, err := net.Dial("unix", path)
	check(err)
	_ = c.(*net.UnixConn).SetWriteBuffer(1 << 20)
	_, err = c.Write([]byte{kind})
	check(err)
	return c
}

// The kinds of connections to the floor's hub.
const (
	inKind byte = iota + 1
	outKind
)

// floorHub copies from the one who publishes or calls to all others, and for calls from
// the one other back.
func floorHub(j job) {
	_, path, _ := strings.Cut(j.At, "://")
	l, err := net.Listen("unix", path)
	check(err)
	fmt.Println(j.At)
	wanted := j.Fan
	if j.Calls {
		wanted = 1
	}
	go func() {
		var in net.Conn
		var outs []net.Conn
		for in == nil || len(outs) < wanted {
			c, err := l.Accept()
			check(err)
			_ = c.(*net.UnixConn).SetWriteBuffer(1 << 20)
			kind := make([]byte, 1)
			_, err = io.ReadFull(c, kind)
			check(err)
			if kind[0] == inKind {
				in = c
			} else {
				outs = append(outs, c)
			}
		}
		if j.Calls {
			go copyTo(outs[0], in)
		}
		copyTo(in, outs...)
	}()
	metered()
}

// copyTo copies until the source ends, then ends the others.
func copyTo(from net.Conn, to ...net.Conn) {
	b := make([]byte, 4*chunk)
	for {
		n, err := from.Read(b)
		if err != nil {
			for _, c := range to {
				c.Close()
			}
			return
		}
		for _, c := range to {
			_, _ = c.Write(b[:n])
		}
	}
}

func floorPublisher(j job) {
	a := newAhead(j)
	fmt.Println("declared")
	a.awaitAll()
	c := dial(j, inKind)
	b := make([]byte, chunk)
	write := func(bytes int) {
		for bytes > 0 {
			n, err := c.Write(b[:min(bytes, chunk)])
			check(err)
			bytes -= n
		}
	}
	write(j.Warm * (j.Size + header))
	fmt.Println("warm")
	a.awaitStart()
	m := begin()
	write(j.N * (j.Size + header))
	u := m.end()
	c.Close()
	a.wait(func() bool { return false })
	print(u)
}

func floorSubscriber(j job) {
	conns := make([]net.Conn, j.Fan)
	for i := range conns {
		conns[i] = dial(j, outKind)
	}
	collect(j, func(i int, each func(bool) bool) uint64 {
		b, rest := make([]byte, 4*chunk), 0
		for {
			n, err := conns[i].Read(b)
			if err != nil {
				return 0
			}
			for rest += n; rest >= j.Size+header; rest -= j.Size + header {
				each(false)
			}
		}
	})
}

func floorProvider(j job) {
	c := dial(j, outKind)
	fmt.Println("ready")
	go func() {
		in := frames{c: c, buf: make([]byte, chunk)}
		var out []byte
		for {
			f, ok := in.buffered()
			if !ok {
				if len(out) > 0 {
					send(c, out)
					out = out[:0]
				}
				if f, ok = in.next(); !ok {
					return
				}
			}
			out = append(out, f...)
		}
	}()
	metered()
}

func floorCaller(j job) {
	c := dial(j, inKind)
	defer c.Close()
	in := &frames{c: c, buf: make([]byte, chunk)}
	if j.Fan == 1 {
		var out []byte
		callAll(j, func(_ int, p []byte) int {
			out = appendFrame(out[:0], 0, p)
			send(c, out)
			f, _ := in.next()
			return len(f) - 8
		})
		return
	}
	callAll(j, share(c, in, j.Fan))
}

// frames reads frames.
type frames struct {
	c    net.Conn
	buf  []byte
	r, w int
}

func (f *frames) buffered() ([]byte, bool) {
	if f.w-f.r < 8 {
		return nil, false
	}
	n := 8 + int(binary.LittleEndian.Uint32(f.buf[f.r:]))
	if f.w-f.r < n {
		return nil, false
	}
	b := f.buf[f.r : f.r+n]
	f.r += n
	return b, true
}

func (f *frames) next() ([]byte, bool) {
	for {
		if b, ok := f.buffered(); ok {
			return b, true
		}
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
		n, err := f.c.Read(f.buf[f.w:])
		if err != nil {
			return nil, false // the run is over
		}
		f.w += n
	}
}

func appendFrame(b []byte, slot uint32, p []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
	b = binary.LittleEndian.AppendUint32(b, slot)
	return append(b, p...)
}

// share lets many callers use one connection.
func share(c net.Conn, in *frames, callers int) func(int, []byte) int {
	done := make([]chan int, callers)
	for i := range done {
		done[i] = make(chan int, 1)
	}
	go func() {
		for {
			f, ok := in.next()
			if !ok {
				return
			}
			done[binary.LittleEndian.Uint32(f[4:])] <- len(f) - 8
		}
	}()
	var mu sync.Mutex
	var out, spare []byte
	busy := false
	return func(i int, p []byte) int {
		mu.Lock()
		out = appendFrame(out, uint32(i), p)
		if busy {
			mu.Unlock()
			return <-done[i]
		}
		busy = true
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		for len(out) > 0 {
			b := out
			out = spare[:0]
			mu.Unlock()
			send(c, b)
			mu.Lock()
			spare = b
		}
		busy = false
		mu.Unlock()
		return <-done[i]
	}
}

func send(c net.Conn, b []byte) {
	_, err := c.Write(b)
	if err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}
