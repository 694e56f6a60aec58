// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package socket

import (
	"crypto/rand"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/plexus-ipc/plexus/transport"
)

// receiveFlags take a datagram without waiting.
const receiveFlags = unix.MSG_DONTWAIT

// nameGram binds to a path in the temporary directory, which is the user's own on macOS:
// datagrams reach only processes of the same user there.
func nameGram(fd int) (path string, err error) {
	path = filepath.Join(os.TempDir(), "plexus-"+rand.Text()+".sock")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return "", err
	}
	return path, unix.Fchmodat(unix.AT_FDCWD, path, 0o600, unix.AT_SYMLINK_NOFOLLOW)
}

// passCredentials does nothing: this system tells no credentials of datagrams.
func passCredentials(int) error { return nil }

func parseCredentials([]byte) (transport.Credentials, error) {
	return noCredentials, unsupported("peer credentials of unixgram")
}
