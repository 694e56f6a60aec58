// SPDX-License-Identifier: Apache-2.0

package memory_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/internal/memory"
)

const childEnv = "PLEXUS_MEMORY_TEST_LIMIT"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		limited()
	}
	leak.Main(m)
}

const size = 64 << 10

func create(t *testing.T) (*memory.Map, int) {
	t.Helper()
	m, fd, err := memory.Create("plexus-test", size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Unmap(); unix.Close(fd) })
	return m, fd
}

// What the owner writes is what the other side reads, and only the owner writes.
func TestShared(t *testing.T) {
	leak.Check(t)
	m, fd := create(t)
	o, err := memory.Open(fd, size)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Unmap()
	m.Bytes()[size-1] = 7
	if o.Len() != size || o.Bytes()[size-1] != 7 {
		t.Fatal("another memory")
	}
	path := "/proc/self/fd/" + strconv.Itoa(fd)
	for what, err := range map[string]error{
		"ftruncate": unix.Ftruncate(fd, 0), "grow": unix.Ftruncate(fd, 2*size),
		"write": second(unix.Pwrite(fd, []byte{1}, 0)), "punch": unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, size),
		"map": mapWritable(fd), "reopen": reopen(path), "unseal": second(unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, 0)),
		"truncate": os.Truncate(path, 0), "remove": unix.Madvise(m.Bytes(), unix.MADV_REMOVE),
	} {
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
			t.Errorf("%s: %v instead of EPERM", what, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func mapWritable(fd int) error {
	b, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == nil {
		_ = unix.Munmap(b)
	}
	return err
}

func reopen(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return mapWritable(int(f.Fd()))
}

// What could hurt is not mapped: each object lacks one thing.
func TestUnsafe(t *testing.T) {
	leak.Check(t)
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_FUTURE_WRITE | unix.F_SEAL_SEAL
	for name, c := range map[string]struct {
		size   int64
		filled bool
		seals  int
	}{
		"unsealed":  {size, true, 0},
		"shrinks":   {size, true, seals &^ unix.F_SEAL_SHRINK},
		"grows":     {size, true, seals &^ unix.F_SEAL_GROW},
		"writable":  {size, true, seals &^ unix.F_SEAL_FUTURE_WRITE},
		"sealable":  {size, true, seals &^ unix.F_SEAL_SEAL},
		"small":     {size / 2, true, seals},
		"large":     {2 * size, true, seals},
		"empty":     {0, false, seals},
		"no pages":  {size, false, seals},
		"all there": {size, true, seals},
	} {
		fd, err := unix.MemfdCreate("plexus-test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		check(t, unix.Ftruncate(fd, c.size))
		if c.filled {
			check(t, unix.Fallocate(fd, 0, 0, c.size))
		}
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, c.seals)
		check(t, err)
		m, err := memory.Open(fd, size)
		if m != nil {
			m.Unmap()
		}
		if want := name != "all there"; errors.Is(err, memory.ErrUnsafe) != want {
			t.Errorf("%s: %v", name, err)
		}
		unix.Close(fd)
	}
	r, w, err := os.Pipe()
	check(t, err)
	defer w.Close()
	defer r.Close()
	for _, fd := range []int{int(r.Fd()), 1 << 20} {
		if _, err := memory.Open(fd, size); !errors.Is(err, memory.ErrUnsafe) {
			t.Errorf("descriptor %d: %v", fd, err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A lack of memory or descriptors is an error, in a process that survives it.
func TestLimits(t *testing.T) {
	for _, which := range []string{"fsize", "nofile"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+which)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "limited\n" {
			t.Errorf("%s: %v\n%s", which, err, out)
		}
	}
}

// limited is the child: it limits itself and asks for 64 MiB.
func limited() {
	what, limit := unix.RLIMIT_FSIZE, unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if os.Getenv(childEnv) == "nofile" {
		what, limit = unix.RLIMIT_NOFILE, unix.Rlimit{}
	}
	err := unix.Setrlimit(what, &limit)
	if err == nil {
		_, _, err = memory.Create("plexus-test", 64<<20)
	}
	if !errors.Is(err, memory.ErrLimit) {
		os.Stdout.WriteString("not limited: " + err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString("limited\n")
	os.Exit(0)
}
