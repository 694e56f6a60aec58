// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// dirPrefix begins the names of the children's directories.
const dirPrefix = "plexus-child-"

// privateDir is the directory of one child. Its holder has it locked, by which others see
// that it is in use.
type privateDir struct {
	path string
	lock *os.File // nil where there are no such locks
}

// makeDir makes a directory that nobody else uses or may look into.
func makeDir(base string) (*privateDir, error) {
	if base == "" {
		base = os.TempDir()
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return nil, err
	}
	for {
		path, err := os.MkdirTemp(base, dirPrefix)
		if err != nil {
			return nil, err
		}
		lock, err := lockDir(path)
		if err == nil {
			return &privateDir{path: path, lock: lock}, nil
		}
		if !errors.Is(err, errSwept) {
			return nil, errors.Join(err, os.RemoveAll(path))
		}
	}
}

// errSwept: somebody took a new directory for one that was left behind.
var errSwept = errors.New("the directory was removed")

// remove removes the directory with all that is in it.
func (d *privateDir) remove() error {
	err := os.RemoveAll(d.path)
	if d.lock != nil {
		d.lock.Close()
	}
	return err
}

// sweep removes the directories of children whose parents were killed. It tells how many.
func sweep(base string) int {
	if base == "" {
		base = os.TempDir()
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		return 0 // whoever needs the directory will say it
	}
	n := 0
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), dirPrefix) && removeLeft(filepath.Join(base, e.Name())) {
			n++
		}
	}
	return n
}
