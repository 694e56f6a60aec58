// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/flynn/noise"

	"github.com/plexus-ipc/plexus/transport"
)

var sprintf = fmt.Sprintf

func newPair(t testing.TB) (out, in *direction) {
	t.Helper()
	key := [32]byte(bytes.Repeat([]byte{9}, 32))
	out, err := newDirection(key)
	check(t, err)
	in, err = newDirection(key)
	check(t, err)
	return out, in
}

// The records are those of the Noise specification, also across new keys: another
// implementation of it, which goes on by itself, gives the same bytes.
func TestRecordsAreNoise(t *testing.T) {
	out, in := newPair(t)
	theirs := noise.UnsafeNewCipherState(suite, [32]byte(bytes.Repeat([]byte{9}, 32)), 0)
	plain := []byte("0123456789abcdef")
	for i := range 2*rekeyEvery + 5 {
		got, err := out.seal(nil, plain)
		check(t, err)
		want, err := theirs.Encrypt(nil, nil, plain)
		check(t, err)
		if (i+1)%rekeyEvery == 0 {
			theirs.Rekey()
		}
		if !bytes.Equal(got[lengthSize:], want) {
			t.Fatalf("record %d is %x, want %x", i, got[lengthSize:], want)
		}
		back, err := in.open(nil, got[lengthSize:])
		if err != nil || !bytes.Equal(back, plain) {
			t.Fatalf("record %d opens as %q, %v", i, back, err)
		}
	}
}

// A direction that has carried all it may ends, and does not begin anew.
func TestExhaustion(t *testing.T) {
	out, in := newPair(t)
	out.n, in.n = maxRecords-1, maxRecords-1
	p, err := out.seal(nil, []byte("last"))
	check(t, err)
	_, err = in.open(nil, p[lengthSize:])
	check(t, err)
	if _, err := out.seal(nil, nil); !errors.Is(err, errExhausted) {
		t.Error(err)
	}
	if _, err := in.open(nil, p[lengthSize:]); !errors.Is(err, errExhausted) {
		t.Error(err)
	}
	c, _ := raw(t, Config{Shared: sharedKey})
	defer c.Close()
	c.(interface{ self() *conn }).self().out.n = maxRecords
	for range 2 {
		if err := c.Send(frameOf("x")); !errors.Is(err, errExhausted) {
			t.Error(err)
		}
	}
}

// self is the conn within whatever a system makes of it.
func (c *conn) self() *conn { return c }

func frameOf(text string) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(4+len(text))), text...)
}

// records are three frames, as the peer of a raw connection would write them.
func records(t *testing.T, w *rawWriter) [][]byte {
	t.Helper()
	var all [][]byte
	for _, text := range []string{"the first", "the second", "the third"} {
		p, err := w.out.seal(nil, frameOf(text))
		check(t, err)
		all = append(all, p)
	}
	return all
}

// recvAll receives until the end, and returns how many frames came.
func recvAll(t *testing.T, c transport.Conn) (n int, err error) {
	t.Helper()
	for {
		b, err := c.Recv()
		if err != nil {
			return n, err
		}
		b.Release()
		n++
	}
}

// What somebody on the way does to the records is noticed: nothing that was changed, left
// out, repeated, swapped, sent back or cut off arrives as if it were genuine.
func TestTampering(t *testing.T) {
	type line = [][]byte
	flip := func(i int) func(line) line {
		return func(l line) line {
			l[1] = bytes.Clone(l[1])
			l[1][i] ^= 1
			return l
		}
	}
	cases := map[string]struct {
		change func(line) line
		frames int
		want   error
	}{
		"untouched, cut without a goodbye": {func(l line) line { return l }, 3, io.ErrUnexpectedEOF},
		"left out":                         {func(l line) line { return line{l[0], l[2]} }, 1, errForged},
		"repeated":                         {func(l line) line { return line{l[0], l[0], l[1]} }, 1, errForged},
		"swapped":                          {func(l line) line { return line{l[0], l[2], l[1]} }, 1, errForged},
		"cut in a record":                  {func(l line) line { return line{l[0], l[1][:9]} }, 1, io.ErrUnexpectedEOF},
		"a goodbye invented":               {func(l line) line { return line{l[0], append([]byte{0, 16}, make([]byte, 16)...)} }, 1, errForged},
		"a length that is none":            {func(l line) line { return line{l[0], {0, 15}} }, 1, nil},
		"plaintext":                        {func(l line) line { return line{l[0], frameOf("in the clear, and long enough to be a record: ")} }, 1, nil},
		"changed in the tag":               {flip(-1 + lengthSize + len(frameOf("the second")) + tagSize), 1, errForged},
		"changed in the text":              {flip(lengthSize), 1, errForged},
		"changed in the length":            {flip(1), 1, errForged},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			conn, w := raw(t, Config{Shared: sharedKey})
			defer conn.Close()
			go func() {
				for _, p := range c.change(records(t, w)) {
					_, _ = w.nc.Write(p)
				}
				_ = w.nc.Close()
			}()
			n, err := recvAll(t, conn)
			if n != c.frames || err == nil || errors.Is(err, io.EOF) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%d frames, %v; want %d, %v", n, err, c.frames, c.want)
			}
			if _, again := conn.Recv(); again == nil || again.Error() != err.Error() {
				t.Errorf("then %v", again)
			}
		})
	}
	t.Run("sent back", func(t *testing.T) {
		conn, w := raw(t, Config{Shared: sharedKey})
		defer conn.Close()
		check(t, conn.Send(frameOf("mine")))
		p := make([]byte, lengthSize+len(frameOf("mine"))+tagSize)
		_, err := io.ReadFull(w.nc, p)
		check(t, err)
		_, err = w.nc.Write(p)
		check(t, err)
		if n, err := recvAll(t, conn); n != 0 || !errors.Is(err, errForged) {
			t.Errorf("%d frames, %v", n, err)
		}
		_ = w.nc.Close()
	})
}

// What was recorded from one connection is of no use in another.
func TestReplay(t *testing.T) {
	cfg := Config{Private: serverKey, Shared: sharedKey}
	dial := Config{Private: clientKey, Server: serverKey.Public(), Shared: sharedKey}
	tape := recordConversation(t, cfg, dial)
	if _, err := cfg.accept(&script{in: bytes.NewReader(tape)}, nil); !errors.Is(err, ErrKeys) {
		t.Errorf("pairs: %v", err)
	}
	shared := Config{Shared: sharedKey}
	tape = recordConversation(t, shared, shared)
	in := bytes.NewReader(tape)
	o, err := shared.accept(&script{in: in}, nil) // nothing is proved to it but the key, by bytes that once were genuine
	check(t, err)
	rest, _ := io.ReadAll(in)
	p, _, err := cut(rest)
	check(t, err)
	if _, err := o.in.open(nil, p); !errors.Is(err, errForged) {
		t.Errorf("shared: a record that was recorded is taken: %v", err)
	}
}

// recordConversation returns what a dialler sends: the handshake and one frame.
func recordConversation(t *testing.T, listen, dial Config) []byte {
	t.Helper()
	conn, w := raw2(t, listen, dial)
	defer conn.Close()
	_, err := w.Write(frameOf("pay a hundred"))
	check(t, err)
	defer w.Close()
	return w.nc.(*recording).b
}
