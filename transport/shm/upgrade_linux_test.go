// SPDX-License-Identifier: Apache-2.0

package shm_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/transport"
	"github.com/plexus-ipc/plexus/transport/shm"
	"github.com/plexus-ipc/plexus/transport/socket"
)

// rawPeer dials the socket of a listener without Plexus.
func rawPeer(t *testing.T) (c transport.Conn, peer *net.UnixConn) {
	t.Helper()
	l, err := shm.New(socket.Unix(), nil).Listen(t.Context(), path(t), nil)
	check(t, err)
	defer l.Close()
	nc, err := net.Dial("unix", l.Endpoint().Path())
	check(t, err)
	c, err = l.Accept()
	check(t, err)
	t.Cleanup(func() { _, _ = c.Close(), nc.Close() })
	return c, nc.(*net.UnixConn)
}

// read reads n bytes and the descriptors that come with the first of them.
func read(t *testing.T, c *net.UnixConn, n int) ([]byte, []int) {
	t.Helper()
	p, oob := make([]byte, n), make([]byte, 64)
	got, oobn, _, _, err := c.ReadMsgUnix(p[:], oob)
	check(t, err)
	if got < n {
		_, err = io.ReadFull(c, p[got:])
		check(t, err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	check(t, err)
	var fds []int
	for i := range msgs {
		some, err := unix.ParseUnixRights(&msgs[i])
		check(t, err)
		fds = append(fds, some...)
	}
	return p, fds
}

func shut(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// A card of a peer's: kind, reason, ring, arenas, generation.
func card(kind byte, ring uint64) []byte {
	p := append([]byte("shm1"), kind, 0, 0, 0)
	for _, v := range []uint64{ring, 1 << 20, 7} {
		p = binary.LittleEndian.AppendUint64(p, v)
	}
	return p
}

const ring = 256 << 10

// object makes memory as a peer might: sealed or not, with pages or not, with the right
// words at its start or not.
func object(t *testing.T, size int, seals int, pages bool, words map[int]uint64) int {
	t.Helper()
	fd, err := unix.MemfdCreate("plexus-test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	check(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	check(t, unix.Ftruncate(fd, int64(size)))
	if pages {
		check(t, unix.Fallocate(fd, 0, 0, int64(size)))
	}
	for at, v := range words {
		_, err := unix.Pwrite(fd, binary.LittleEndian.AppendUint64(nil, v), int64(at))
		check(t, err)
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	check(t, err)
	return fd
}

// TestRefused: a peer that shows something which is not safe to map, or not what it says,
// is refused, and the socket goes on.
func TestRefused(t *testing.T) {
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SEAL
	good := map[int]uint64{shm.OffMagic: 0x316d68732d787870, shm.OffRing: ring, 16: 7}
	size := shm.OffData + ring
	for name, c := range map[string]struct {
		card []byte
		fds  func(t *testing.T) []int
		want string // "" for none: it is accepted
	}{
		"good":          {card(1, ring), func(t *testing.T) []int { return []int{object(t, size, seals, true, good)} }, ""},
		"unsealed":      {card(1, ring), func(t *testing.T) []int { return []int{object(t, size, 0, true, good)} }, "seals"},
		"shrinkable":    {card(1, ring), func(t *testing.T) []int { return []int{object(t, size, seals&^unix.F_SEAL_SHRINK, true, good)} }, "seals"},
		"small":         {card(1, ring), func(t *testing.T) []int { return []int{object(t, size/2, seals, true, good)} }, "bytes"},
		"without pages": {card(1, ring), func(t *testing.T) []int { return []int{object(t, size, seals, false, good)} }, "page"},
		"another generation": {card(1, ring), func(t *testing.T) []int {
			return []int{object(t, size, seals, true, map[int]uint64{shm.OffMagic: good[0], shm.OffRing: ring, 16: 8})}
		}, "announced"},
		"zeros":         {card(1, ring), func(t *testing.T) []int { return []int{object(t, size, seals, true, nil)} }, "announced"},
		"odd ring":      {card(1, ring+64), func(t *testing.T) []int { return []int{object(t, size+64, seals, true, good)} }, "ring"},
		"tiny ring":     {card(1, 4096), func(t *testing.T) []int { return []int{object(t, shm.OffData+4096, seals, true, good)} }, "ring"},
		"huge ring":     {card(1, 1<<40), func(t *testing.T) []int { return []int{object(t, size, seals, true, good)} }, "ring"},
		"no descriptor": {card(1, ring), func(*testing.T) []int { return nil }, "descriptors"},
		"two":           {card(1, ring), func(t *testing.T) []int { fd := object(t, size, seals, true, good); return []int{fd, fd} }, "descriptors"},
		"a pipe":        {card(1, ring), func(*testing.T) []int { return []int{unix.Stdin} }, "safe"},
		"refusal":       {card(2, 0), func(*testing.T) []int { return nil }, "cannot share"},
		"refusal with":  {card(2, 0), func(*testing.T) []int { return []int{unix.Stdin} }, "cannot share"},
		"a frame":       {newFrame(32), func(*testing.T) []int { return nil }, "something else"},
	} {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			acc, peer := rawPeer(t)
			done := make(chan error, 1)
			go func() {
				_, up, err := acc.(transport.Upgrader).AcceptUpgrade(shm.Upgrade, nil)
				if up != nil {
					up.Close()
				}
				done <- err
			}()
			_, fds := read(t, peer, shm.CardSize)
			shut(fds)
			if len(fds) != 1 {
				t.Fatalf("%d descriptors with the card", len(fds))
			}
			var rights []byte
			if send := c.fds(t); len(send) > 0 {
				rights = unix.UnixRights(send...)
			}
			_, _, err := peer.WriteMsgUnix(c.card, rights, nil)
			check(t, err)
			err = <-done
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatal(err)
			}
			if err == nil {
				return
			}
			_, err = peer.Write(newFrame(40)) // the socket goes on
			check(t, err)
			b, err := acc.Recv()
			check(t, err)
			b.Release()
			check(t, acc.Send(newFrame(50)))
			_, err = io.ReadFull(peer, make([]byte, 50))
			check(t, err)
		})
	}
}

// TestHangingUp: a peer that goes away, or says nothing, in the middle of the step.
func TestHangingUp(t *testing.T) {
	leak.Check(t)
	for n := range shm.CardSize {
		acc, peer := rawPeer(t)
		done := make(chan error, 1)
		go func() {
			_, _, err := acc.(transport.Upgrader).AcceptUpgrade(shm.Upgrade, nil)
			done <- err
		}()
		_, fds := read(t, peer, shm.CardSize)
		shut(fds)
		_, err := peer.Write(card(1, ring)[:n])
		check(t, err)
		if n%2 == 0 {
			peer.Close()
		} else {
			acc.Close() // as the session's timeout does
		}
		if err := <-done; err == nil {
			t.Fatal("accepted")
		}
		acc.Close()
	}
}

// TestRefusedOffer: the offering end stays on the socket, whatever the other one does.
func TestRefusedOffer(t *testing.T) {
	for name, c := range map[string]struct {
		card  []byte
		fd    bool
		reply byte // reason of the card that comes back; 0 for a segment
	}{
		"at once":       {nil, false, 0},
		"no descriptor": {card(1, ring), false, 1},
		"unsafe":        {card(1, ring), true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			leak.Check(t)
			off, peer := rawPeer(t) // which end has dialled does not matter
			done := make(chan error, 1)
			go func() {
				_, err := offerUpgrade(off)
				done <- err
			}()
			read(t, peer, len(offered))
			if c.card != nil {
				var rights []byte
				if c.fd {
					rights = unix.UnixRights(unix.Stdin)
				}
				_, _, err := peer.WriteMsgUnix(c.card, rights, nil)
				check(t, err)
				back, fds := read(t, peer, shm.CardSize)
				if len(fds) > 0 || back[4] != 2 || back[5] != c.reply {
					t.Fatalf("%x with %d descriptors came back", back, len(fds))
				}
			}
			_, err := peer.Write(refused)
			check(t, err)
			if err := <-done; err != errRefused {
				t.Fatal(err)
			}
			_, err = peer.Write(newFrame(40))
			check(t, err)
			b, err := off.Recv()
			check(t, err)
			b.Release()
			if _, err := offerUpgradeOnce(off); err != nil { // another one may be tried
				t.Fatal(err)
			}
		})
	}
}

// offerUpgradeOnce offers and takes the offer back by receiving nothing.
func offerUpgradeOnce(c transport.Conn) ([]byte, error) {
	p, _, err := c.(transport.Upgrader).OfferUpgrade(shm.Upgrade)
	return p, err
}

// TestFalseAgreement: a peer that agrees without having passed anything.
func TestFalseAgreement(t *testing.T) {
	leak.Check(t)
	off, peer := rawPeer(t)
	done := make(chan error, 1)
	go func() {
		_, err := offerUpgrade(off)
		done <- err
	}()
	read(t, peer, len(offered))
	_, err := peer.Write(agreed)
	check(t, err)
	if err := <-done; !errors.Is(err, shm.ErrPeer) {
		t.Fatal(err)
	}
}

// TestUnknownUpgrade: another name is refused by both ends.
func TestUnknownUpgrade(t *testing.T) {
	leak.Check(t)
	c, _ := rawPeer(t)
	u := c.(transport.Upgrader)
	if _, _, err := u.OfferUpgrade("shm0"); err == nil {
		t.Error("offered")
	}
	if _, _, err := u.AcceptUpgrade("shm0", nil); err == nil {
		t.Error("accepted")
	}
	if names := u.Upgrades(); len(names) != 1 || names[0] != shm.Upgrade {
		t.Error(names)
	}
}

// TestOtherUser: a peer of another user is told that there is no upgrade.
func TestOtherUser(t *testing.T) {
	leak.Check(t)
	a, b := socketPair(t)
	u := shm.New(stranger{socket.Unix(), a}, nil)
	c, err := u.Dial(t.Context(), path(t), nil)
	check(t, err)
	defer c.Close()
	defer b.Close()
	_, _, err = c.(transport.Upgrader).OfferUpgrade(shm.Upgrade)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprint("user ", os.Geteuid()+1)) {
		t.Fatal(err)
	}
	_, _, err = c.(transport.Upgrader).AcceptUpgrade(shm.Upgrade, nil)
	if err == nil {
		t.Fatal("accepted")
	}
}

// socketPair returns two ends of a unix connection.
func socketPair(t *testing.T) (a, b transport.Conn) {
	t.Helper()
	ep, err := path(t).WithScheme("unix")
	check(t, err)
	l, err := socket.Unix().Listen(t.Context(), ep, nil)
	check(t, err)
	defer l.Close()
	a, err = socket.Unix().Dial(t.Context(), ep, nil)
	check(t, err)
	b, err = l.Accept()
	check(t, err)
	return a, b
}
