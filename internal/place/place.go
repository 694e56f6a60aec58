// SPDX-License-Identifier: Apache-2.0

// Package place tells whether the place of a socket could be somebody else's.
package place

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// maxLinks is how many symbolic links a path may lead through.
const maxLinks = 40

// entry is what the file system says of one name.
type entry struct {
	link   string // where it leads, "" if it is no symbolic link
	uid    int
	others bool // users beside the owner can write to it
}

// Shared returns why a user who is neither root nor one of uids could have put what is at
// path there: a sentence without an end, "" if none could have. That is so if every folder on
// the way, through all symbolic links, belongs to one of them and can be written to by none
// but its owner. It is an error if a folder cannot be looked at.
func Shared(path string, uids ...int) (why string, err error) {
	if !filepath.IsAbs(path) {
		dir, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = dir + "/" + path
	}
	return shared(path[:strings.LastIndex(path, "/")], uids, look)
}

// shared walks to a folder as the kernel does, from the root, and looks at each one that it
// comes by.
func shared(dir string, uids []int, look func(string) (entry, error)) (why string, err error) {
	at, left := "/", strings.Split(dir, "/")
	for links := 0; ; {
		e, err := look(at)
		if err != nil {
			return "", err
		}
		if e.link != "" {
			if links++; links > maxLinks {
				return "", errors.New(dir + " leads through too many symbolic links")
			}
			left = append(strings.Split(e.link, "/"), left...)
			if at = filepath.Dir(at); filepath.IsAbs(e.link) {
				at = "/"
			}
		} else if why := suspect(at, e, uids); why != "" {
			return why, nil
		}
		if at, left = step(at, left); left == nil {
			return "", nil
		}
	}
}

// step goes on to the next folder; left is nil at the end.
func step(at string, left []string) (string, []string) {
	for i, name := range left {
		switch name {
		case "", ".":
		case "..":
			at = filepath.Dir(at)
		default:
			return filepath.Join(at, name), left[i+1:]
		}
	}
	return at, nil
}

func suspect(at string, e entry, uids []int) string {
	if e.others {
		return "other users can write to " + at
	}
	if e.uid == 0 {
		return ""
	}
	for _, uid := range uids {
		if e.uid == uid {
			return ""
		}
	}
	return at + " belongs to another user"
}
