// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"

	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// ReadPassword reads the password of a channel from a file: its content without a newline at
// the end. The warning, if not "", says that others can read it, too.
func ReadPassword(path string) (password, warning string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", unreadable("password", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, scram.MaxPassword+3))
	}
	if err != nil {
		return "", "", unreadable("password", path, err)
	}
	password = string(bytes.TrimRight(b, "\r\n"))
	if err := checkPassword(password); err != nil {
		return "", "", status.Errorf(status.InvalidArgument, "password file %s: %w", path, err)
	}
	if runtime.GOOS != "windows" && info.Mode()&0o077 != 0 && info.Mode().IsRegular() {
		warning = fmt.Sprintf("the password file %s can be read by others (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	return password, warning, nil
}

func checkPassword(password string) error {
	switch {
	case password == "":
		return status.Errorf(status.InvalidArgument, "the password is empty")
	case len(password) > scram.MaxPassword:
		return status.Errorf(status.InvalidArgument, "the password is longer than %d bytes", scram.MaxPassword)
	}
	return nil
}

// ChannelPasswords returns Hub.Passwords with the content of PasswordFiles.
func (c *Config) ChannelPasswords(log *slog.Logger) (map[string]string, error) {
	all := maps.Clone(c.Hub.Passwords)
	if all == nil {
		all = make(map[string]string)
	}
	for _, channel := range slices.Sorted(maps.Keys(c.PasswordFiles)) {
		if _, twice := all[channel]; twice {
			return nil, status.Errorf(status.InvalidArgument, "two passwords are given for channel %q: one of them, please", channel)
		}
		password, warning, err := ReadPassword(c.PasswordFiles[channel])
		if err != nil {
			return nil, err
		}
		if warning != "" {
			log.Warn(warning)
		}
		all[channel] = password
	}
	for _, channel := range slices.Sorted(maps.Keys(all)) {
		err := subject.ValidateChannel(channel)
		if err == nil {
			err = checkPassword(all[channel])
		}
		if err != nil {
			return nil, status.Errorf(status.InvalidArgument, "password of channel %q: %w", channel, err)
		}
	}
	return all, nil
}
