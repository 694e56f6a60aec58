// SPDX-License-Identifier: Apache-2.0

//go:build unix

package doctor

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// native adds what unix systems can tell.
func (s *System) native() {
	s.Limit, s.Buffers, s.PassDescriptor, s.Served = limitOf, socketBuffers, passDescriptor, whoServes
	s.own()
}

func lstat(path string) (File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return File{}, err
	}
	f := File{
		Dir: info.IsDir(), Socket: info.Mode()&fs.ModeSocket != 0, Link: info.Mode()&fs.ModeSymlink != 0,
		Mode: uint32(info.Mode().Perm()),
	}
	if info.Mode()&fs.ModeSticky != 0 {
		f.Mode |= 0o1000
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID = int(st.Uid)
	}
	return f, nil
}

func writable(folder string) bool { return unix.Access(folder, unix.W_OK|unix.X_OK) == nil }

// limitOf reads a limit of this process.
func limitOf(name string) (soft, hard uint64, ok bool) {
	resource, ok := limits[name]
	if !ok {
		return 0, 0, false
	}
	var l unix.Rlimit
	if unix.Getrlimit(resource, &l) != nil {
		return 0, 0, false
	}
	return uint64(l.Cur), uint64(l.Max), true //nolint:unconvert // signed on some systems
}

// socketBuffers makes a socket and asks.
func socketBuffers(network string, ask int) (Buffers, error) {
	domain := unix.AF_UNIX
	if network == "tcp" {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
	if err != nil {
		return Buffers{}, err
	}
	defer unix.Close(fd)
	var b Buffers
	for _, x := range []struct {
		option             int
		byDefault, granted *int
	}{{unix.SO_SNDBUF, &b.Send, &b.GrantedSend}, {unix.SO_RCVBUF, &b.Recv, &b.GrantedRecv}} {
		if *x.byDefault, err = bufferOf(fd, x.option); err != nil {
			return b, err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, x.option, ask); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return b, err
		}
		if *x.granted, err = bufferOf(fd, x.option); err != nil {
			return b, err
		}
	}
	return b, nil
}

// bufferOf reads a socket's buffer. Linux counts twice what a program may put there.
func bufferOf(fd, option int) (int, error) {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
	return n / bufferUnit, err
}

// passDescriptor sends a descriptor over a socket and takes it out at the other end.
func passDescriptor() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := unix.Sendmsg(pair[0], []byte{1}, unix.UnixRights(pair[0]), nil, 0); err != nil {
		return err
	}
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[1], b, oob, 0)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil {
		return err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return err
		}
		for _, fd := range fds {
			unix.Close(fd)
		}
		if len(fds) == 1 {
			return nil
		}
	}
	return errors.New("the descriptor was lost on the way")
}

// whoServes looks at a socket path as Listen does before it takes one over: first at the
// lock of the sibling file, which who serves it holds for life, then whether anybody
// listens. It takes no lock that would be in a server's way for longer than it looks.
func whoServes(path string) (State, error) {
	held, pid, err := lockHeld(path + ".lock")
	if err != nil {
		return State{}, err
	}
	if held {
		return State{Served, pid}, nil
	}
	for _, network := range []string{"unix", "unixpacket", "unixgram"} {
		c, err := net.Dial(network, path)
		switch {
		case err == nil:
			c.Close()
			return State{Kind: Foreign}, nil
		case errors.Is(err, syscall.EPROTOTYPE), errors.Is(err, syscall.EPROTONOSUPPORT), errors.Is(err, syscall.ESOCKTNOSUPPORT):
			continue // a socket of another kind
		case errors.Is(err, syscall.ECONNREFUSED):
			return State{Kind: Stale}, nil
		case errors.Is(err, syscall.EAGAIN), errors.Is(err, fs.ErrPermission):
			return State{Kind: Foreign}, nil
		default:
			return State{}, err
		}
	}
	return State{Kind: Foreign}, nil
}

// lockHeld reports whether somebody holds the lock of a socket path, and who says so in it.
func lockHeld(path string) (held bool, pid int, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	defer f.Close() // which gives the lock back, too
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return false, 0, err
	}
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0) // no number is no harm
	line, _, _ := bytes.Cut(b[:n], []byte("\n"))
	pid, err = strconv.Atoi(string(line))
	if err != nil {
		pid = 0
	}
	return true, pid, nil
}
