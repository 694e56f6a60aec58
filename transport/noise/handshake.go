// SPDX-License-Identifier: Apache-2.0

package noise

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/flynn/noise"

	"github.com/plexus-ipc/plexus/transport"
)

// The handshake, each message with its length, u16 big-endian, before it:
//
//	dialler   preamble, message 1 ──────►            e          (and es, in XK)
//	                              ◄────── message 2             e, ee
//	          message 3 ─────────────────►           s, se      (XK only)
//
// The preamble says which pattern follows. It is the prologue of the handshake: if somebody
// changes it, the handshake fails.
const (
	magic     = "plxnois"
	patternNN = 0x11 // version 1, NNpsk0
	patternXK = 0x12 // version 1, XK or XKpsk0

	preambleSize = len(magic) + 1
	firstSize    = 32 + tagSize           // e, empty payload
	thirdSize    = 32 + tagSize + tagSize // s, empty payload
)

// Kinds of failure, inside a *transport.Error.
var (
	// ErrProtocol: the other side does not speak Noise as this one does.
	ErrProtocol = errors.New("the other side does not speak this kind of Noise")
	// ErrKeys: the other side has not proved that it has the right key.
	ErrKeys = fmt.Errorf("the keys do not fit: %w", transport.ErrDenied)
)

// suite has hardware behind it on every platform that Plexus is tested on. There is one
// only: what is not negotiated cannot be negotiated down.
var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256)

// outcome is what a handshake leaves behind.
type outcome struct {
	out, in *direction
	binding []byte // the hash of the handshake
	name    string // of the peer
}

func preamble(pattern byte) []byte { return append([]byte(magic), pattern) }

// state starts a handshake. random is nil but in tests.
func (c *Config) state(pattern byte, shared Key, initiator bool, random io.Reader) (*noise.HandshakeState, error) {
	nc := noise.Config{
		CipherSuite: suite, Random: random, Pattern: noise.HandshakeNN, Initiator: initiator, Prologue: preamble(pattern),
	}
	if !shared.IsZero() {
		nc.PresharedKey = shared.b[:]
	}
	if pattern == patternXK {
		nc.Pattern = noise.HandshakeXK
		nc.StaticKeypair = noise.DHKey{Private: c.Private.b[:], Public: c.Private.public.b[:]}
		if initiator {
			nc.PeerStatic = c.Server.b[:]
		}
	}
	return noise.NewHandshakeState(nc)
}

// pattern is what this side's keys are for.
func (c *Config) pattern() byte {
	if c.Private.IsZero() {
		return patternNN
	}
	return patternXK
}

// dial is the handshake of the side that dialled.
func (c *Config) dial(rw io.ReadWriter, random io.Reader) (*outcome, error) {
	p := c.pattern()
	hs, err := c.state(p, c.Shared, true, random)
	if err != nil {
		return nil, err
	}
	first, _, _, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	if _, err := rw.Write(framed(preamble(p), first)); err != nil {
		return nil, err
	}
	second, err := readMessage(rw, firstSize)
	if err != nil {
		return nil, dialled(err)
	}
	_, cs1, cs2, err := hs.ReadMessage(nil, second)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrKeys, err)
	}
	if p == patternNN {
		return conclude(hs, cs1, cs2, "")
	}
	third, cs1, cs2, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	if _, err := rw.Write(framed(nil, third)); err != nil {
		return nil, err
	}
	return conclude(hs, cs1, cs2, c.Server.Name())
}

// dialled explains an end in the middle, which is all that a listener answers to a wrong key.
func dialled(err error) error {
	if cutOff(err) {
		return fmt.Errorf("the listener ended the handshake without a word, as it does if %w", ErrKeys)
	}
	return err
}

// cutOff reports whether the other side has ended the connection, in whatever way: a close with
// unread bytes is a reset.
func cutOff(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.As(err, &op) && op.Op == "read" && !op.Timeout() && !errors.Is(err, net.ErrClosed)
}

// accept is the handshake of the side that accepted. Whatever is wrong, it says nothing.
func (c *Config) accept(rw io.ReadWriter, random io.Reader) (*outcome, error) {
	p, err := readPreamble(rw)
	if err != nil {
		return nil, err
	}
	if p != c.pattern() {
		return nil, fmt.Errorf("%w: it has %s", ErrProtocol, wants(p))
	}
	first, err := readMessage(rw, firstSize)
	if err != nil {
		return nil, err
	}
	hs, err := c.readFirst(p, first, random)
	if err != nil {
		return nil, err
	}
	second, cs1, cs2, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	if _, err := rw.Write(framed(nil, second)); err != nil {
		return nil, err
	}
	if p == patternNN {
		return conclude(hs, cs2, cs1, "")
	}
	third, err := readMessage(rw, thirdSize)
	if err != nil {
		return nil, err
	}
	if _, cs1, cs2, err = hs.ReadMessage(nil, third); err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrKeys, err)
	}
	peer := PublicKey{[KeySize]byte(hs.PeerStatic())}
	if c.Admit != nil && !c.Admit(peer) {
		return nil, fmt.Errorf("%w: %s is not admitted", ErrKeys, peer.Name())
	}
	return conclude(hs, cs2, cs1, peer.Name())
}

// readFirst finds the shared key that the first message was made with, of those that are
// taken, and all of which are tried.
func (c *Config) readFirst(pattern byte, first []byte, random io.Reader) (*noise.HandshakeState, error) {
	var fits *noise.HandshakeState
	var why error
	for _, shared := range append([]Key{c.Shared}, c.Previous...) {
		hs, err := c.state(pattern, shared, false, random)
		if err != nil {
			return nil, err
		}
		if _, _, _, err := hs.ReadMessage(nil, first); err != nil {
			why = err
		} else if fits == nil {
			fits = hs
		}
	}
	if fits == nil {
		return nil, fmt.Errorf("%w (%w)", ErrKeys, why)
	}
	return fits, nil
}

// conclude takes the keys out of a handshake that has succeeded.
func conclude(hs *noise.HandshakeState, out, in *noise.CipherState, name string) (*outcome, error) {
	o := &outcome{binding: bytes.Clone(hs.ChannelBinding()), name: name}
	var err error
	if o.out, err = newDirection(out.UnsafeKey()); err == nil {
		o.in, err = newDirection(in.UnsafeKey())
	}
	return o, err
}

// framed appends a message and its length to before.
func framed(before, message []byte) []byte {
	return append(binary.BigEndian.AppendUint16(before, uint16(len(message))), message...)
}

// readPreamble reads the first bytes of a dialler.
func readPreamble(r io.Reader) (pattern byte, err error) {
	var b [preambleSize]byte
	n, err := io.ReadAtLeast(r, b[:], 1)
	if err == nil && n < len(b) && bytes.HasPrefix([]byte(magic), b[:n]) {
		var more int
		more, err = io.ReadFull(r, b[n:])
		n += more
	}
	switch {
	case n > 0 && !bytes.HasPrefix(b[:n], []byte(magic)[:min(n, len(magic))]):
		return 0, fmt.Errorf("%w: it starts with %q", ErrProtocol, b[:n])
	case err != nil:
		return 0, err
	}
	return b[len(magic)], nil
}

// readMessage reads a message, all of which have a size that is known before.
func readMessage(r io.Reader, size int) ([]byte, error) {
	b := make([]byte, lengthSize+size)
	n, err := io.ReadFull(r, b[:lengthSize])
	if err != nil {
		return nil, err
	}
	if int(binary.BigEndian.Uint16(b)) != size {
		return nil, fmt.Errorf("%w: its answer starts with %q", ErrProtocol, b[:n])
	}
	_, err = io.ReadFull(r, b[lengthSize:])
	return b[lengthSize:], err
}

// wants says in words what a preamble asks for.
func wants(pattern byte) string {
	switch pattern {
	case patternNN:
		return "only a shared key, and this side has key pairs"
	case patternXK:
		return "a key pair, and this side has only a shared key"
	}
	return fmt.Sprintf("pattern %#x, which is unknown", pattern)
}
