// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"log/slog"
	"maps"
	"slices"

	"github.com/plexus-ipc/plexus/internal/scram"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/subject"
)

// ReadPassword reads the password of a channel from a file: its content without a newline at
// the end. The warning, if not "", says that others can read it, too.
func ReadPassword(path string) (password, warning string, err error) {
	b, warning, err := readPrivate("password", path, scram.MaxPassword+2) // a newline is none of it
	if err != nil {
		return "", "", err
	}
	password = string(b)
	if err := checkPassword(password); err != nil {
		return "", "", status.Errorf(status.InvalidArgument, "password file %s: %w", path, err)
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
