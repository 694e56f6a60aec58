// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/cmd/plexus/internal/machine"
)

// System is what checks may ask of a machine. A function that is nil is something that
// this kind of system has not: its checks are left out.
type System struct {
	OS     string
	UID    int
	Cores  int
	Procs  int    // GOMAXPROCS
	Kernel string // its version

	Getenv   func(name string) string
	ReadFile func(path string) ([]byte, error)
	// Lstat describes a path. It fails with fs.ErrNotExist where nothing is.
	Lstat func(path string) (File, error)
	// Writable reports whether files can be made in a folder.
	Writable func(folder string) bool
	// List gives the names in a folder.
	List func(folder string) ([]string, error)

	// Limit returns a limit of this process: nofile, memlock, msgqueue.
	Limit func(name string) (soft, hard uint64, ok bool)
	// Sysctl returns a number by name, on systems that have no /proc.
	Sysctl func(name string) (uint64, bool)
	// Space returns the size of a file system and what is free of it.
	Space func(path string) (total, free uint64, err error)
	// Buffers returns the socket buffers of a network ("unix", "tcp"): by default, and
	// after so much was asked for.
	Buffers func(network string, ask int) (Buffers, error)

	// What can be done here: nil if it works.
	Memfd, PassDescriptor, PeerCredentials func() error
	Listen                                 func(network string) error

	// Yield returns what giving the processor up costs, Clock what reading the time does.
	Yield func() (time.Duration, error)
	Clock func() time.Duration

	// Served says who serves the socket at a path.
	Served func(path string) (State, error)
}

// File is a path's.
type File struct {
	Dir, Socket, Link bool
	Mode              uint32 // permission bits and, as 01000, the sticky bit
	UID               int
}

// Buffers are those of a socket, in bytes.
type Buffers struct {
	Send, Recv               int // by default
	GrantedSend, GrantedRecv int // of what was asked for
}

// State is that of a socket path.
type State struct {
	Kind Kind
	PID  int // of who holds the lock, 0 if unknown
}

// Kind says who serves a path.
type Kind int

// The kinds.
const (
	Served  Kind = iota // somebody holds its lock
	Foreign             // somebody listens who holds no lock
	Stale               // nobody does
)

// This returns the system that the program runs on.
func This() *System {
	m := machine.Describe("")
	s := &System{
		OS: runtime.GOOS, UID: os.Getuid(), Cores: runtime.NumCPU(), Procs: runtime.GOMAXPROCS(0), Kernel: m.Kernel,
		Getenv: os.Getenv, ReadFile: os.ReadFile, Lstat: lstat, Writable: writable, List: list, Listen: canListen, Clock: clockCost,
	}
	s.native()
	return s
}

func list(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// clockCost is the cost of one time.Now, the least of some tries.
func clockCost() time.Duration {
	const reads = 1000
	best := time.Hour
	for range 5 {
		began := time.Now()
		for range reads {
			_ = time.Now()
		}
		best = min(best, time.Since(began)/reads)
	}
	return best
}

// text reads a file of one line, "" if it cannot be read.
func (s *System) text(path string) string {
	b, err := s.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// number reads a file with one number.
func (s *System) number(path string) (uint64, bool) {
	n, err := strconv.ParseUint(s.text(path), 10, 64)
	return n, err == nil
}

// size writes a number of bytes for people.
func size(n uint64) string {
	switch {
	case n >= 1<<62:
		return "unlimited"
	case n >= 10<<30:
		return strconv.FormatUint(n>>30, 10) + " GiB"
	case n >= 10<<20:
		return strconv.FormatUint(n>>20, 10) + " MiB"
	case n >= 10<<10:
		return strconv.FormatUint(n>>10, 10) + " KiB"
	}
	return strconv.FormatUint(n, 10) + " B"
}

// count writes a number that may be without limit.
func count(n uint64) string {
	if n >= 1<<62 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}
