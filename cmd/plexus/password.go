// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/daemon"
)

// unlocking gives a channel's handle the password of --password-file or PLEXUS_PASSWORD, if
// there is one. It is used at the first use of the handle.
func (a *app) unlocking(ch *plexus.Channel) (*plexus.Channel, error) {
	if ch.Name() == "" || strings.HasPrefix(ch.Name(), "$") {
		return ch, nil
	}
	if a.passwordFile != "" {
		log, err := a.logger(slog.LevelWarn)
		if err != nil {
			return nil, err
		}
		password, warning, err := daemon.ReadPassword(a.passwordFile)
		if err != nil {
			return nil, usage(err)
		}
		if warning != "" {
			log.Warn(warning)
		}
		return ch.WithPassword(password), nil
	}
	password, set := a.env("PLEXUS_PASSWORD")
	switch {
	case !set:
		return ch, nil
	case password == "":
		return nil, usagef("PLEXUS_PASSWORD is set and empty: unset it, or put the password into it")
	}
	return ch.WithPassword(password), nil
}

// presets takes what serve is given as --password: channel=FILE, or channel=env:NAME.
func (a *app) presets(c *daemon.Config, given []string) error {
	for _, g := range given {
		channel, from, ok := strings.Cut(g, "=")
		if !ok || from == "" {
			return usagef("--password %q: write channel=FILE, or channel=env:NAME for a variable of the environment; the password itself is for nobody's eyes", g)
		}
		if _, twice := c.PasswordFiles[channel]; twice || c.Hub.Passwords[channel] != "" {
			return usagef("--password is given twice for channel %q", channel)
		}
		if c.PasswordFiles == nil {
			c.PasswordFiles, c.Hub.Passwords = make(map[string]string), make(map[string]string)
		}
		name, isEnv := strings.CutPrefix(from, "env:")
		if !isEnv {
			c.PasswordFiles[channel] = from
			continue
		}
		password, _ := a.env(name)
		if password == "" {
			return usagef("--password %q: %s is not set, or empty", g, name)
		}
		c.Hub.Passwords[channel] = password
	}
	return nil
}
