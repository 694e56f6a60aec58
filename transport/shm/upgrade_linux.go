// SPDX-License-Identifier: Apache-2.0

package shm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/internal/memory"
	"github.com/plexus-ipc/plexus/transport"
)

// Between the offer and the answer each side passes its segment to the other one, the
// accepting side first. So both know that it works before either agrees:
//
//	dialler                         accepter
//	UPGRADE "shm1" ───────────────►
//	               ◄─────────────── card + descriptor
//	card + descriptor ────────────►                      or a card that says why not
//	               ◄─────────────── UPGRADE "shm1"       or one that refuses
//
// A card cannot be taken for a frame, because its first word is no length of one:
//
//	"shm1" | u8 kind | u8 reason | u16 0 | u64 ring | u64 arenas | u64 generation
const (
	cardSize    = 32
	cardMagic   = 0x316d6873 // "shm1"
	cardSegment = 1          // comes with the descriptor
	cardRefusal = 2
)

// Reasons of a cardRefusal.
const (
	noDescriptor = 1
	noMapping    = 2
)

// card is what one side says of its segment.
type card struct {
	kind, reason             uint8
	ring, arenas, generation uint64
}

func (c card) bytes() (p [cardSize]byte) {
	binary.LittleEndian.PutUint32(p[:], cardMagic)
	p[4], p[5] = c.kind, c.reason
	binary.LittleEndian.PutUint64(p[8:], c.ring)
	binary.LittleEndian.PutUint64(p[16:], c.arenas)
	binary.LittleEndian.PutUint64(p[24:], c.generation)
	return p
}

func parseCard(p [cardSize]byte) card {
	return card{
		kind: p[4], reason: p[5], ring: binary.LittleEndian.Uint64(p[8:]),
		arenas: binary.LittleEndian.Uint64(p[16:]), generation: binary.LittleEndian.Uint64(p[24:]),
	}
}

// refusal is the error behind a card that refuses.
func (c card) refusal() error {
	switch c.reason {
	case noDescriptor:
		return errors.New("the peer got no descriptor: too many are open there, or they cannot be passed")
	case noMapping:
		return errors.New("the peer cannot map the memory of this side")
	}
	return errors.New("the peer cannot share memory")
}

// Upgrades implements transport.Upgrader. It is offered also where it will be refused, so
// that the reason is told.
func (c *conn) Upgrades() []string { return []string{Upgrade} }

// possible says whether this side may share memory with its peer, whom it has
// authenticated.
func (c *conn) possible(name string) error {
	if name != Upgrade {
		return fmt.Errorf("an upgrade %q is not known here", name)
	}
	cred, err := c.base.PeerCredentials()
	switch {
	case err != nil:
		return fmt.Errorf("the peer's user is not known: %w", err)
	case cred.UID != os.Geteuid():
		return fmt.Errorf("the peer is user %d, this process user %d: memory is shared within one user only", cred.UID, os.Geteuid())
	case !memory.Supported():
		return errors.New("the pages of this system are too large")
	}
	return nil
}

// half is this side's segment, and then the peer's.
type half struct {
	own   *segment
	fd    int // of own, until it has been passed on
	card  card
	peer  *segment
	their card
}

// newHalf makes this side's segment.
func newHalf(o Options) (*half, error) {
	generation := rand.Uint64()
	own, fd, err := newSegment(o.Ring, generation)
	if err != nil {
		return nil, err
	}
	return &half{own: own, fd: fd, card: card{cardSegment, 0, uint64(o.Ring), uint64(o.Arenas), generation}}, nil
}

// pass sends this side's segment.
func (h *half) pass(raw syscall.RawConn) error {
	err := sendCard(raw, h.card, h.fd)
	h.shut()
	return err
}

func (h *half) shut() {
	if h.fd >= 0 {
		_ = unix.Close(h.fd)
		h.fd = -1
	}
}

// take maps the peer's segment, as its card says. It closes fds.
func (h *half) take(their card, fds []int) (reason uint8, err error) {
	defer closeAll(fds)
	if len(fds) != 1 {
		return noDescriptor, fmt.Errorf("%d descriptors came from the peer, not one: too many are open here, or they cannot be passed", len(fds))
	}
	if h.peer, err = openSegment(fds[0], their.ring, their.generation); err != nil {
		return noMapping, err
	}
	h.their = their
	return 0, nil
}

// drop gives back what no Conn was made of.
func (h *half) drop() {
	h.shut()
	h.own.m.Unmap()
	if h.peer != nil {
		h.peer.m.Unmap()
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// offer is the dialling end between OfferUpgrade and what follows the answer.
type offer struct {
	mu       sync.Mutex
	h        *half
	answered bool // the frame behind the cards was received
	over     bool
}

// OfferUpgrade implements transport.Upgrader.
func (c *conn) OfferUpgrade(name string) ([]byte, func([]byte) (transport.Conn, error), error) {
	if err := c.possible(name); err != nil {
		return nil, nil, err
	}
	h, err := newHalf(c.opts)
	if err != nil {
		return nil, nil, err
	}
	o := &offer{h: h}
	if !c.offer.CompareAndSwap(nil, o) {
		h.drop()
		return nil, nil, errors.New("an upgrade is under way already")
	}
	return nil, func([]byte) (transport.Conn, error) { return o.finish(c) }, nil
}

// recv receives the answer, after the peer's card. It returns nothing if that is over: the
// offer was refused, and the base goes on.
func (o *offer) recv(c *conn) (*transport.Buffer, error) {
	raw, err := c.base.SyscallConn()
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over || o.answered {
		o.endLocked(c)
		return nil, nil
	}
	var b *transport.Buffer
	for b == nil && err == nil {
		b, err = o.stepLocked(raw)
	}
	if err != nil {
		return nil, receiveError(c.remote, err)
	}
	o.answered = true
	return b, nil
}

// stepLocked reads a card, and answers it, or a frame.
func (o *offer) stepLocked(raw syscall.RawConn) (*transport.Buffer, error) {
	var head [cardSize]byte
	fds, err := readFull(raw, head[:4])
	if err != nil {
		closeAll(fds)
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n != cardMagic {
		closeAll(fds)
		return readFrame(raw, n)
	}
	if o.h.peer != nil {
		closeAll(fds)
		return nil, fmt.Errorf("%w: it passed its memory twice", ErrPeer)
	}
	if err := readRest(raw, head[4:]); err != nil {
		closeAll(fds)
		return nil, err
	}
	reason, err := o.h.take(parseCard(head), fds)
	if err != nil {
		return nil, sendCard(raw, card{kind: cardRefusal, reason: reason}, -1)
	}
	return nil, o.h.pass(raw)
}

// readFrame reads the rest of a frame, byte for byte: what follows it is not ours.
func readFrame(raw syscall.RawConn, n uint32) (*transport.Buffer, error) {
	head := binary.LittleEndian.AppendUint32(nil, n)
	if n < transport.MinFrame || n > transport.MaxFrame {
		return nil, &transport.FrameError{Length: int64(n), Limit: transport.MaxFrame, Head: head}
	}
	b := transport.NewBuffer(int(n))
	copy(b.Bytes(), head)
	if err := readRest(raw, b.Bytes()[4:]); err != nil {
		b.Release()
		return nil, err
	}
	return b, nil
}

// finish makes the new Conn after the peer has agreed.
func (o *offer) finish(c *conn) (transport.Conn, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over || !o.answered || o.h.peer == nil {
		return nil, fmt.Errorf("%w: it agreed to share memory and passed none", ErrPeer)
	}
	h := o.h
	o.h, o.over = nil, true
	c.offer.Store(nil)
	return c.become(h)
}

// endLocked forgets an offer that came to nothing.
func (o *offer) endLocked(c *conn) {
	c.offer.Store(nil)
	if o.over = true; o.h != nil {
		o.h.drop()
		o.h = nil
	}
}

// withdraw forgets an offer when the Conn is closed.
func (c *conn) withdraw() {
	if o := c.offer.Load(); o != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.endLocked(c)
	}
}

// AcceptUpgrade implements transport.Upgrader. It waits for the peer's segment as long as
// the Conn is open.
func (c *conn) AcceptUpgrade(name string, _ []byte) ([]byte, transport.Conn, error) {
	if err := c.possible(name); err != nil {
		return nil, nil, err
	}
	raw, err := c.base.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	h, err := newHalf(c.opts)
	if err != nil {
		return nil, nil, err
	}
	if err := h.exchange(raw); err != nil {
		h.drop()
		return nil, nil, err
	}
	upgraded, err := c.become(h)
	if err != nil {
		return nil, nil, err
	}
	return nil, upgraded, nil
}

// exchange passes this side's segment and takes the peer's.
func (h *half) exchange(raw syscall.RawConn) error {
	if err := h.pass(raw); err != nil {
		return err
	}
	var p [cardSize]byte
	fds, err := readFull(raw, p[:])
	if err == nil && binary.LittleEndian.Uint32(p[:]) != cardMagic {
		err = fmt.Errorf("%w: it sent something else than its memory", ErrPeer)
	}
	their := parseCard(p)
	if err == nil && their.kind != cardSegment {
		err = their.refusal()
	}
	if err != nil {
		closeAll(fds)
		return err
	}
	_, err = h.take(their, fds)
	return err
}

// become takes the socket from the base and makes the Conn. It consumes h.
func (c *conn) become(h *half) (*Conn, error) {
	cred, err := c.base.PeerCredentials()
	if err != nil {
		h.drop()
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	nc, rest, err := c.base.Detach()
	if err != nil {
		h.drop()
		return nil, err
	}
	socket, ok := nc.(*net.UnixConn)
	if !ok || len(rest) > 0 || c.closed {
		h.drop()
		_ = nc.Close()
		return nil, fmt.Errorf("%w: it sent %d bytes where none may be (or this end was closed)", ErrPeer, len(rest))
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		h.drop()
		_ = nc.Close()
		return nil, err
	}
	c.socket = socket
	c.upgraded = newConn(parts{
		own: h.own, peer: h.peer, cred: cred, remote: c.remote, opts: c.opts, theirArenas: h.their.arenas, socket: socket, raw: raw,
	})
	return c.upgraded, nil
}

// sendCard sends a card, with a descriptor if fd is not negative.
func sendCard(raw syscall.RawConn, c card, fd int) error {
	p := c.bytes()
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	var failed error
	err := raw.Write(func(s uintptr) bool {
		failed = unix.Sendmsg(int(s), p[:], rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return !errors.Is(failed, unix.EAGAIN)
	})
	if err == nil {
		err = failed
	}
	return err
}

// mostDescriptors is how many a peer can have open here at a time before that ends the connection.
// One is ever wanted.
const mostDescriptors = 16

// readFull reads len(p) bytes and no more, and the descriptors that come with them, which
// the caller closes, also after an error.
func readFull(raw syscall.RawConn, p []byte) (fds []int, err error) {
	for at := 0; at < len(p); {
		n, got, err := readSome(raw, p[at:])
		fds = append(fds, got...)
		switch {
		case err != nil:
			return fds, err
		case len(fds) > mostDescriptors:
			return fds, fmt.Errorf("%w: it sent more than %d descriptors", ErrPeer, mostDescriptors)
		case n == 0 && at > 0:
			return fds, io.ErrUnexpectedEOF
		case n == 0:
			return fds, io.EOF
		}
		at += n
	}
	return fds, nil
}

// readRest is readFull where no descriptor and no end may come.
func readRest(raw syscall.RawConn, p []byte) error {
	fds, err := readFull(raw, p)
	closeAll(fds)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readSome reads once, waiting until there is something.
func readSome(raw syscall.RawConn, p []byte) (n int, fds []int, err error) {
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		var oob [64]byte
		var oobn int
		n, oobn, _, _, failed = unix.Recvmsg(int(fd), p, oob[:], unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if errors.Is(failed, unix.EAGAIN) || errors.Is(failed, unix.EINTR) {
			return false
		}
		if failed == nil && oobn > 0 {
			fds, failed = descriptors(oob[:oobn])
		}
		return true
	})
	if err == nil {
		err = failed
	}
	return max(n, 0), fds, err
}

// receiveError gives an error the form that transport.Conn promises.
func receiveError(remote string, err error) error {
	var fe *transport.FrameError
	switch {
	case errors.As(err, &fe):
		return fe
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, net.ErrClosed):
		err = net.ErrClosed
	}
	return &transport.Error{Op: "receive", Endpoint: remote, Err: err}
}
