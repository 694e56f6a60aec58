// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/plexus-ipc/plexus/status"
)

// Keep is what the program of Config.Keeper does. It reads from in, its standard input,
// until the parent has died; gives what is left of the child's process group, to which it
// belongs, linger to end; removes dir; and kills the group, and so itself. If the parent
// lives, it kills the keeper along with the group in the end, so Keep returns only with an
// error.
//
// The parent calls the keeper with two more arguments: dir and linger.
func Keep(in io.Reader, args []string) error {
	if len(args) != 2 || !strings.HasPrefix(base(args[0]), dirPrefix) {
		return status.Errorf(status.InvalidArgument, "a keeper is called with the directory of a child and a time")
	}
	linger, err := time.ParseDuration(args[1])
	if err != nil {
		return status.Errorf(status.InvalidArgument, "a keeper is called with a time: %w", err)
	}
	ignoreSignals()
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	if linger > 0 {
		_ = askOwnGroup()
		time.Sleep(linger)
	}
	err = os.RemoveAll(args[0])
	killOwnGroup()
	return err
}

// base is the last part of a path.
func base(path string) string { return path[strings.LastIndexByte(path, os.PathSeparator)+1:] }
