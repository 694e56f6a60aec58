// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/transport"
)

// How often and for how long a loser looks who the winner is: the winner writes that
// only after it has the lock.
const (
	pidTries = 20
	pidPause = 2 * time.Millisecond
)

// lifeLock takes the lock on the file at path, which is made if it is missing, and
// writes our process id into it. The operating system gives the lock back when the
// process ends, however it ends; the file is never removed, because a lock on a removed
// file locks nothing.
func lifeLock(path string) (*os.File, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	held, err := tryLock(f)
	switch {
	case err != nil:
		err = fmt.Errorf("lock %s: %w", path, err)
	case held:
		err = servedBy(strings.TrimSuffix(path, ".lock"), f)
	default:
		err = writePID(f)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// unlock forgets our process id and gives the lock back.
func unlock(f *os.File) error {
	return errors.Join(f.Truncate(0), f.Close())
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// servedBy names the process that holds the lock on f.
func servedBy(path string, f *os.File) error {
	const todo = "; stop it or choose another path"
	for range pidTries {
		if pid := readPID(f); pid > 0 && alive(pid) {
			return Refuse(transport.ErrInUse, "%s is already served by pid %d%s", path, pid, todo)
		}
		time.Sleep(pidPause)
	}
	return Refuse(transport.ErrInUse, "%s is already served by another process%s", path, todo)
}

// readPID returns 0 if there is no process id in f.
func readPID(f *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	line, _, whole := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if !whole || err != nil {
		return 0
	}
	return pid
}
