// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/plexus-ipc/plexus/hub/guard"
	"github.com/plexus-ipc/plexus/status"
)

// ReadAccess reads an access list from a file. An error about its content is "FILE:line:column:
// reason".
//
// Whoever can write the list, or put another in its place, decides who may do what. So on Unix
// the file, the directory that it is in and, where the path is a symbolic link, that and the
// directory of what it leads to must belong to the user that this runs as or to root; others
// must not be able to write the file, nor the directory unless it is sticky, nor may the group
// write the file. It must be a regular file.
func ReadAccess(path string) (*guard.Access, error) {
	f, err := openOwn(path)
	if err != nil {
		if status.CodeOf(err) == status.InvalidArgument {
			return nil, err
		}
		return nil, unreadable("access", path, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, guard.MaxAccessFile+1))
	if err != nil {
		return nil, unreadable("access", path, err)
	}
	a, err := guard.ParseAccess(text)
	if e, ok := errors.AsType[*guard.FileError](err); ok {
		return nil, status.Errorf(status.InvalidArgument, "%s:%s", path, e)
	}
	return a, err
}

// accessFile makes the access list of the configuration.
func (d *Daemon) accessFile() (*guard.Access, error) {
	path := d.cfg.AccessFile
	if path == "" {
		return d.cfg.Hub.Access, nil
	}
	if d.cfg.Hub.Access != nil {
		return nil, status.Errorf(status.InvalidArgument, "an access list and an access file are given: one of them, please")
	}
	d.OnReload("access list", func(context.Context) error {
		a, err := ReadAccess(path)
		if err == nil {
			d.hub.SetAccess(a)
		}
		return err
	})
	return ReadAccess(path)
}

// unsafe is the error for a file that somebody else can change.
func unsafe(path, why string) error {
	return status.Errorf(status.InvalidArgument, "the access file %s is not taken: %s", path, why)
}

// regular refuses what is no regular file.
func regular(path string, f *os.File) (os.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, unsafe(path, "it is no regular file")
	}
	return info, nil
}
