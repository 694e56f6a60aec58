// SPDX-License-Identifier: Apache-2.0

//go:build unix

package socket

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// message is a datagram with all that the kernel says about it. It is used only while a
// connection is made.
type message struct {
	data     []byte
	from     string // name of the sender's socket, "" if it has none
	creds    transport.Credentials
	credsErr error
}

// receive waits for a datagram.
func receive(raw syscall.RawConn) (m message, err error) {
	e := raw.Read(func(fd uintptr) bool {
		m, err = receiveNow(int(fd))
		return !errors.Is(err, unix.EAGAIN)
	})
	return m, errors.Join(e, err)
}

// receiveNow takes a datagram or fails with EAGAIN.
func receiveNow(fd int) (message, error) {
	data, oob := make([]byte, packetRoom), make([]byte, 128)
	for {
		n, oobn, _, from, err := unix.Recvmsg(fd, data, oob, receiveFlags)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return message{}, err
		}
		m := message{data: data[:n]}
		if u, ok := from.(*unix.SockaddrUnix); ok {
			m.from = u.Name
		}
		closeDescriptors(oob[:oobn])
		m.creds, m.credsErr = parseCredentials(oob[:oobn])
		return m, nil
	}
}

// closeDescriptors closes what somebody has passed along with a datagram: nobody here wants it,
// and anybody who reaches the socket can send it. There is room for no more than two dozen at a
// time; the kernel keeps the rest.
func closeDescriptors(oob []byte) {
	list, _ := unix.ParseSocketControlMessage(oob) // what it has parsed before an error counts, too
	for i := range list {
		fds, err := unix.ParseUnixRights(&list[i])
		if err != nil {
			continue // something else
		}
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}
}

// sendTo sends one datagram without waiting and without being connected.
func sendTo(raw syscall.RawConn, address, text string) error {
	return control(raw, func(fd int) error {
		return unix.Sendto(fd, []byte(text), unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: address})
	})
}

// control runs f on the descriptor.
func control(raw syscall.RawConn, f func(fd int) error) (err error) {
	if e := raw.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}
