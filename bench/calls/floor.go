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

// The floor: frames of u32 length, u32 slot, payload; no handshake, no errors, no limits.
// A lone caller reads its own reply; several share a reader and combine their writes, with
// one Gosched before. The server answers inline and flushes when its buffer is empty.

func serveFloor(address string) {
	n, a, _ := strings.Cut(address, "://")
	l, err := net.Listen(n, a)
	check(err)
	fmt.Println(n + "://" + l.Addr().String())
	go func() { untilParentGoes(); os.Exit(0) }()
	c, err := l.Accept()
	check(err)
	in := frames{c: c, buf: make([]byte, 64<<10)}
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

func dialFloor(address string, callers int) (func(int, []byte) int, func(), error) {
	n, a, _ := strings.Cut(address, "://")
	c, err := net.Dial(n, a)
	if err != nil {
		return nil, nil, err
	}
	in := &frames{c: c, buf: make([]byte, 64<<10)}
	if callers == 1 {
		var out []byte
		return func(_ int, p []byte) int {
			out = appendFrame(out[:0], 0, p)
			send(c, out)
			f, _ := in.next()
			return len(f) - 8
		}, func() { c.Close() }, nil
	}
	return share(c, in, callers), func() { c.Close() }, nil
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
	check(err)
}

// untilParentGoes returns when standard input has ended.
func untilParentGoes() { _, _ = io.Copy(io.Discard, os.Stdin) }
