// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// seals keep everybody, also the owner, from changing the size, from mapping the object
// writable once more, from writing to it and from punching holes into it.
const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SEAL

// Create returns a zeroed object of size bytes, mapped writable, with its descriptor, which
// the caller closes when it has been passed on. The name is for people who read
// /proc/self/maps. Errors are ErrLimit, or errors.ErrUnsupported where the kernel lacks
// something.
func Create(name string, size int) (m *Map, fd int, err error) {
	if err := withinLimit(size); err != nil {
		return nil, -1, err
	}
	if fd, err = newFile(name); err != nil {
		return nil, -1, denied("memfd_create", err)
	}
	if m, err = fill(fd, size); err != nil {
		_ = unix.Close(fd)
		return nil, -1, err
	}
	return m, fd, nil
}

// withinLimit looks at RLIMIT_FSIZE first: to exceed it is a signal, not only an error.
func withinLimit(size int) error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &r); err == nil && uint64(size) > r.Cur {
		return fmt.Errorf("%w: %d bytes wanted, RLIMIT_FSIZE is %d", ErrLimit, size, r.Cur)
	}
	return nil
}

// newFile makes an empty object, not executable where the kernel knows that.
func newFile(name string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, err
}

// fill gives an object its pages, maps and seals it.
func fill(fd, size int) (*Map, error) {
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, denied("ftruncate", err)
	}
	if err := retry(func() error { return unix.Fallocate(fd, 0, 0, int64(size)) }); err != nil {
		return nil, denied("fallocate", err)
	}
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, denied("mmap", err)
	}
	m := &Map{b}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		m.Unmap()
		return nil, fmt.Errorf("F_ADD_SEALS: %w: %w", errors.ErrUnsupported, err)
	}
	return m, nil
}

// atOnce is up to which size Open maps all pages at once: a peer shall not make this side
// work for memory that it never reads.
const atOnce = 1 << 20

// Open maps an object that another process has made by Create and announced with its size,
// for reading only. It does not close fd. What could turn a later access into a signal, or
// change behind the reader's back in another way than by its owner's writing, is ErrUnsafe.
func Open(fd, size int) (*Map, error) {
	var st unix.Stat_t
	var fs unix.Statfs_t
	got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if err == nil {
		err = unix.Fstatfs(fd, &fs)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnsafe, err)
	case got&seals != seals:
		return nil, fmt.Errorf("%w: its seals are %#x, wanted are %#x", ErrUnsafe, got, seals)
	case st.Size != int64(size):
		return nil, fmt.Errorf("%w: it has %d bytes, announced are %d", ErrUnsafe, st.Size, size)
	case fs.Type != unix.TMPFS_MAGIC:
		return nil, fmt.Errorf("%w: it is a file of type %#x", ErrUnsafe, fs.Type)
	case st.Blocks*512 < int64(size):
		return nil, fmt.Errorf("%w: %d of %d bytes have no page yet", ErrUnsafe, int64(size)-st.Blocks*512, size)
	}
	flags := unix.MAP_SHARED
	if size <= atOnce {
		flags |= unix.MAP_POPULATE
	}
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ, flags)
	if err != nil {
		return nil, denied("mmap", err)
	}
	return &Map{b}, nil
}

// Unmap gives the memory back. It is called once.
func (m *Map) Unmap() { _ = unix.Munmap(m.b) }

// Supported reports whether Create can work on this system.
func Supported() bool { return os.Getpagesize() <= 64<<10 }

// denied tells a kernel that lacks a call, or forbids it, from one that lacks memory.
func denied(call string, err error) error {
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%s: %w: %w", call, errors.ErrUnsupported, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrLimit, call, err)
}

func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
