// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bufferUnit: what is told is what there is.
const bufferUnit = 1

// limits are the limits that checks ask for.
var limits = map[string]int{"nofile": unix.RLIMIT_NOFILE, "memlock": unix.RLIMIT_MEMLOCK}

// own adds what only macOS can tell.
func (s *System) own() { s.Sysctl, s.PeerCredentials = sysctl, peerCredentials }

func sysctl(name string) (uint64, bool) {
	if n, err := unix.SysctlUint32(name); err == nil {
		return uint64(n), true
	}
	n, err := unix.SysctlUint64(name)
	return n, err == nil
}

// peerCredentials asks the kernel who is at the other end of a connection to ourselves.
func peerCredentials() error {
	dir, err := os.MkdirTemp("", "plexus-doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Xucred
	if e := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED) }); e != nil {
		return e
	}
	if err == nil && int(cred.Uid) != os.Geteuid() {
		err = errors.New("the kernel tells another user than us")
	}
	return err
}
