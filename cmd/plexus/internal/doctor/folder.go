// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/plexus-ipc/plexus/endpoint"
)

// A name of this length should fit into the path of a socket.
const niceName = "twenty-letters-name1"

// folder looks at where names such as "demo" live.
func folder(s *System) []Check {
	dir := endpoint.RuntimeDir(s.Getenv, s.UID, s.OS)
	c := Check{
		Name: "folder of names", Value: dir, Verdict: OK,
		Meaning: "A name such as demo is a socket in this folder, which belongs to its user alone. It is made when it is first needed, and only its last part.",
	}
	if s.OS == "windows" {
		c.Meaning = "A name such as demo is a pipe whose name begins so."
		return []Check{c}
	}
	f, err := s.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.Value += ", not made yet"
		s.judgeParent(&c, path.Dir(dir))
	case err != nil:
		c.bad("cannot be looked at: "+err.Error(), "")
	default:
		s.judgeFolder(&c, dir, f)
	}
	if c.Verdict != Problem {
		if e, err := endpoint.Auto(niceName); err == nil {
			if _, err := e.Resolve(dir); err != nil {
				c.bad("the path is so long that few names fit", "export XDG_RUNTIME_DIR=/run/user/"+fmt.Sprint(s.UID))
				c.Verdict = Better
			}
		}
	}
	return []Check{c}
}

// bad makes a check a problem.
func (c *Check) bad(why, command string) {
	c.Value += ": " + why
	c.Verdict, c.Command = Problem, command
}

// judgeParent looks whether the folder can be made.
func (s *System) judgeParent(c *Check, parent string) {
	f, err := s.Lstat(parent)
	switch {
	case err != nil:
		c.bad(parent+" is not there", fmt.Sprintf("unset XDG_RUNTIME_DIR   # or: sudo install -d -m 700 -o %d %s", s.UID, parent))
	case !f.Dir && !f.Link:
		c.bad(parent+" is no folder", "unset XDG_RUNTIME_DIR")
	case !s.Writable(parent):
		c.bad("this user cannot make it in "+parent, "unset XDG_RUNTIME_DIR   # it is another user's, after su or sudo")
	}
}

// judgeFolder looks at the folder itself.
func (s *System) judgeFolder(c *Check, dir string, f File) {
	switch {
	case !f.Dir:
		c.bad("it is no folder", "rm "+dir+"   # if it is of no use")
	case f.UID != s.UID:
		c.bad(fmt.Sprintf("it belongs to user %d, this is user %d", f.UID, s.UID), "export XDG_RUNTIME_DIR=…   # a folder of your own")
	case f.Mode&0o002 != 0 && f.Mode&0o1000 == 0:
		c.bad("everybody may replace files in it", "chmod 700 "+dir)
	case !s.Writable(dir):
		c.bad("it cannot be written to", "chmod 700 "+dir)
	case f.Mode&0o077 != 0:
		c.Value += fmt.Sprintf(", mode %04o", f.Mode)
		c.Verdict, c.Command = Better, "chmod 700 "+dir
		c.Meaning += " Others can see what is in it now; the sockets have modes of their own."
	}
}

// leftovers looks for sockets that nobody serves.
func leftovers(s *System) []Check {
	if s.OS == "windows" || s.Served == nil {
		return nil
	}
	dir := endpoint.RuntimeDir(s.Getenv, s.UID, s.OS)
	c := Check{
		Name: "sockets", Verdict: OK,
		Meaning: "What lies in the folder of names. A socket that a crash has left harms nobody: the next start at that name clears it. Nothing is removed here.",
	}
	names, err := s.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.Value, c.Verdict = err.Error(), Problem
		return []Check{c}
	}
	var served, stale, odd []string
	for _, name := range names {
		p := dir + "/" + name
		if !strings.HasSuffix(name, ".sock") {
			continue
		}
		if f, err := s.Lstat(p); err != nil {
			continue // it has just gone
		} else if !f.Socket {
			odd = append(odd, p+" is no socket")
			continue
		}
		switch state, err := s.Served(p); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			odd = append(odd, p+": "+err.Error())
		case state.Kind == Served:
			served = append(served, strings.TrimSuffix(name, ".sock")+pidText(state.PID))
		case state.Kind == Foreign:
			odd = append(odd, p+" is served by a process that holds no lock on it")
		default:
			stale = append(stale, p)
		}
	}
	c.Value = "none"
	if len(served) > 0 {
		c.Value = "served: " + strings.Join(served, ", ")
	}
	for _, more := range slices.Concat(prefixed("stale: ", stale), odd) {
		c.Value += "; " + more
		c.Verdict = Better
	}
	if len(stale) > 0 {
		c.Command = "rm " + strings.Join(stale, " ") + "   # or leave it to the next start"
	}
	return []Check{c}
}

func pidText(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

func prefixed(prefix string, all []string) []string {
	var out []string
	for _, s := range all {
		out = append(out, prefix+s)
	}
	return out
}
