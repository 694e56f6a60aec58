// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"os/user"
	"strconv"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/auth"
	"github.com/plexus-ipc/plexus/auth/token"
	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/status"
)

// introduce sets what says who this side is, and who the other one has to be.
func (a *app) introduce(o *plexus.DialOptions, log *slog.Logger) (err error) {
	if o.Token, err = a.holder(log); err != nil {
		return err
	}
	o.Server, err = a.server()
	return err
}

// holder returns who holds the token of --token-file or PLEXUS_TOKEN, nil if there is none. A
// file is read each time a connection is made.
func (a *app) holder(log *slog.Logger) (*token.Holder, error) {
	if a.tokenFile != "" {
		_, warning, err := daemon.ReadToken(a.tokenFile)
		if warning != "" {
			log.Warn(warning)
		}
		path := a.tokenFile
		return token.HoldFrom(func() (*token.Token, error) {
			t, _, err := daemon.ReadToken(path)
			return t, err
		}), usage(err)
	}
	v, set := a.env("PLEXUS_TOKEN")
	if !set {
		return nil, nil
	}
	t, err := token.Parse(v)
	if err != nil {
		return nil, usagef("PLEXUS_TOKEN: %s", status.Convert(err).Message)
	}
	return token.Hold(t), nil
}

// server returns who may run the server, nil for the usual rule.
func (a *app) server() (*auth.Allow, error) {
	if len(a.serverUsers) == 0 {
		return nil, nil
	}
	allow := &auth.Allow{}
	for _, name := range a.serverUsers {
		uid, err := userID(name)
		if err != nil {
			return nil, usagef("--server-user %q: %w", name, err)
		}
		allow.UIDs = append(allow.UIDs, uid)
	}
	return allow, nil
}

// userID returns the number of a user who is given by name or number.
func userID(name string) (int, error) {
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(u.Uid)
}

// lookUp adds the numbers of --allow-user and --allow-group to the others.
func (s *serveFlags) lookUp() error {
	for _, name := range s.users {
		uid, err := userID(name)
		if err != nil {
			return usagef("--allow-user %q: %w", name, err)
		}
		s.uids = append(s.uids, uid)
	}
	for _, name := range s.groups {
		g, err := user.LookupGroup(name)
		if err != nil {
			return usagef("--allow-group %q: %w", name, err)
		}
		gid, err := strconv.Atoi(g.Gid)
		if err != nil {
			return usagef("--allow-group %q: it has no number here", name)
		}
		s.gids = append(s.gids, gid)
	}
	return nil
}
