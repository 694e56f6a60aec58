// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/plexus-ipc/plexus/status"
)

// maxSecret is the longest secret that is read from a file.
const maxSecret = 64 << 10

// ReadSecret reads a secret from a file: its content without a newline at the end. The
// warning, if not "", says that others can read it, too.
func ReadSecret(path string) (secret []byte, warning string, err error) {
	secret, warning, err = readPrivate("secret", path, maxSecret)
	if err == nil && len(secret) == 0 {
		return nil, "", status.Errorf(status.InvalidArgument, "the secret file %s is empty: write at least 16 random bytes into it", path)
	}
	return secret, warning, err
}

// readPrivate reads what nobody else should know, without a newline at the end.
func readPrivate(what, path string, most int64) (content []byte, warning string, err error) {
	content, info, err := readBounded(what, path, most)
	if err != nil {
		return nil, "", err
	}
	if runtime.GOOS != "windows" && info.Mode()&0o077 != 0 && info.Mode().IsRegular() {
		warning = fmt.Sprintf("the %s file %s can be read by others (mode %04o): chmod 600 it", what, path, info.Mode().Perm())
	}
	return bytes.TrimRight(content, "\r\n"), warning, nil
}

// readTrusted reads what nobody else may change: it is an error if every user can.
func readTrusted(what, path string, most int64) ([]byte, error) {
	content, info, err := readBounded(what, path, most)
	if err == nil {
		err = trusted(what, path, info)
	}
	return content, err
}

// trusted refuses a file that every user can change.
func trusted(what, path string, info fs.FileInfo) error {
	if runtime.GOOS == "windows" || !info.Mode().IsRegular() || info.Mode()&0o002 == 0 {
		return nil
	}
	return status.Errorf(status.InvalidArgument, "the %s file %s can be changed by every user (mode %04o): chmod o-w it", what, path, info.Mode().Perm())
}

func readBounded(what, path string, most int64) (content []byte, info fs.FileInfo, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, unreadable(what, path, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err == nil {
		content, err = io.ReadAll(io.LimitReader(f, most+1))
	}
	if err != nil {
		return nil, nil, unreadable(what, path, err)
	}
	if int64(len(content)) > most {
		return nil, nil, status.Errorf(status.InvalidArgument, "the %s file %s is longer than %d bytes", what, path, most)
	}
	return content, info, nil
}

func unreadable(what, path string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	return status.Errorf(status.InvalidArgument, "the %s file %s cannot be read: %w", what, path, err)
}
