// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"
)

// What a stranger sends never makes a session, whatever it is, and a dialler that is
// answered by one has none either.
func FuzzHandshake(f *testing.F) {
	v := vectorKeys
	for _, c := range []Config{{Shared: v.shared}, {Private: v.client, Server: v.server.Public()}} {
		var said bytes.Buffer
		_, _ = c.dial(&script{out: &said}, fixed(4))
		f.Add(said.Bytes(), byte(0))
	}
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), byte(1))
	f.Add(append([]byte{0, 48}, make([]byte, 48)...), byte(2))
	f.Fuzz(func(t *testing.T, said []byte, who byte) {
		listen := []Config{{Shared: strangersKey}, {Private: serverKey, Admit: Anyone}, {Private: serverKey, Shared: strangersKey}}
		dial := []Config{{Shared: strangersKey}, {Private: clientKey, Server: serverKey.Public()}}
		in := bytes.NewReader(said)
		if o, err := listen[int(who)%3].accept(&script{in: in}, nil); err == nil {
			t.Errorf("%x made a session with %s", said, o.name)
		}
		if read := len(said) - in.Len(); read > preambleSize+2*lengthSize+firstSize+thirdSize {
			t.Errorf("%d bytes were read of a stranger", read)
		}
		if _, err := dial[int(who)%2].dial(&script{in: bytes.NewReader(said)}, nil); err == nil {
			t.Errorf("%x answered a dialler", said)
		}
	})
}

// Records that were cut, joined and changed at random give the plaintext up to the change,
// or an error: never other bytes.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("some text in records"), uint16(7), uint16(30), byte(1))
	f.Add([]byte("x"), uint16(0), uint16(0), byte(0x80))
	f.Add(bytes.Repeat([]byte("long "), 30_000), uint16(60000), uint16(65535), byte(0))
	f.Fuzz(func(t *testing.T, text []byte, step, at uint16, flip byte) {
		out, in := newPair(t)
		var line []byte
		for rest := text; len(rest) > 0; {
			n := min(int(step)%maxPlain+1, len(rest))
			var err error
			line, err = out.seal(line, rest[:n])
			check(t, err)
			rest = rest[n:]
		}
		if i := int(at); i < len(line) {
			line[i] ^= flip
		}
		got, err := openAll(in, line)
		if !bytes.HasPrefix(text, got) {
			t.Errorf("other bytes came out: %q", got)
		}
		if changed := flip != 0 && int(at) < len(line); (err == nil && len(got) == len(text)) == changed && len(text) > 0 {
			t.Errorf("changed %v, %d of %d bytes, %v", changed, len(got), len(text), err)
		}
	})
}

// openAll opens records until there is no whole one.
func openAll(in *direction, line []byte) (got []byte, err error) {
	for {
		p, n, err := cut(line)
		if p == nil || err != nil {
			return got, err
		}
		if got, err = in.open(got, p); err != nil {
			return got, err
		}
		line = line[n:]
	}
}

// Whatever follows the handshake is an error or nothing, and costs no memory but one chunk.
func FuzzGarbage(f *testing.F) {
	f.Add([]byte{0, 16, 1, 2, 3})
	f.Add([]byte{0xff, 0xff})
	f.Add(binary.BigEndian.AppendUint16(nil, 15))
	f.Fuzz(func(t *testing.T, line []byte) {
		_, in := newPair(t)
		got, err := openAll(in, line)
		if len(got) > 0 || err == io.EOF {
			t.Errorf("%x opens as %x, %v", line, got, err)
		}
	})
}
