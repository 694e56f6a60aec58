// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// bufferUnit: the kernel doubles what is asked for, to have room for its own books.
const bufferUnit = 2

// limits are the limits that checks ask for.
var limits = map[string]int{"nofile": unix.RLIMIT_NOFILE, "memlock": unix.RLIMIT_MEMLOCK, "msgqueue": unix.RLIMIT_MSGQUEUE}

// own adds what only Linux can tell.
func (s *System) own() {
	s.Memfd, s.PeerCredentials, s.Space, s.Yield = sealedMemory, peerCredentials, space, yieldCost
}

// sealedMemory makes shared memory as Plexus does: a file that is mapped, then sealed.
func sealedMemory() error {
	fd, err := unix.MemfdCreate("plexus-doctor", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	page := os.Getpagesize()
	if err := unix.Ftruncate(fd, int64(page)); err != nil {
		return fmt.Errorf("its size cannot be set: %w", err)
	}
	own, err := unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("it cannot be mapped: %w", err)
	}
	defer func() { _ = unix.Munmap(own) }()
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("it cannot be sealed: %w", err)
	}
	peer, err := unix.Mmap(fd, 0, page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("it cannot be read when sealed: %w", err)
	}
	return unix.Munmap(peer)
}

// peerCredentials asks the kernel who is at the other end of a pair of ours.
func peerCredentials() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	cred, err := unix.GetsockoptUcred(pair[0], unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return err
	}
	if int(cred.Uid) != os.Geteuid() {
		return errors.New("the kernel tells another user than us")
	}
	return nil
}

func space(path string) (total, free uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, err
	}
	unit := uint64(st.Bsize)
	return st.Blocks * unit, st.Bavail * unit, nil
}

// yieldCost gives the processor up some times. The least counts: at the others somebody
// else had a turn.
func yieldCost() (time.Duration, error) {
	const tries, turns = 50, 5
	best := time.Hour
	for range tries {
		began := time.Now()
		for range turns {
			if _, _, errno := unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0); errno != 0 {
				return 0, fmt.Errorf("sched_yield: %w", errno)
			}
		}
		best = min(best, time.Since(began)/turns)
	}
	return best, nil
}
