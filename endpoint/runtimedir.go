// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"strconv"
	"strings"
)

const pipePrefix = `\\.\pipe\`

// RuntimeDir is where the auto names of one user live. It is pure: getenv is
// os.Getenv or a substitute, uid is os.Getuid(), goos is runtime.GOOS.
//
//	$XDG_RUNTIME_DIR/plexus               if that variable holds an absolute path (all but Windows)
//	$TMPDIR/plexus-<uid>                  on macOS, where it is private to the user
//	/tmp/plexus-<uid>                     else
//	\\.\pipe\plexus-<domain>-<user>       on Windows: a prefix of pipe names
//
// It names the directory only. Whoever creates it makes it 0700, and whoever uses
// it checks that it belongs to the user: /tmp is writable for all.
func RuntimeDir(getenv func(string) string, uid int, goos string) string {
	if goos == "windows" {
		return pipeDir(getenv)
	}
	own := "plexus-" + strconv.Itoa(uid)
	if dir := getenv("XDG_RUNTIME_DIR"); usableDir(dir) {
		return join(dir, "plexus")
	}
	if dir := getenv("TMPDIR"); (goos == "darwin" || goos == "ios") && usableDir(dir) {
		return join(dir, own)
	}
	return join("/tmp", own)
}

// usableDir ignores a variable that is no clean absolute path, as the XDG specification asks for.
func usableDir(dir string) bool {
	_, err := filePath(dir, maxPath, true)
	return err == nil && checkText(dir) == nil
}

func join(dir, name string) string { return strings.TrimRight(dir, "/") + "/" + name }

// pipeDir makes the prefix of a Windows user's pipe names.
func pipeDir(getenv func(string) string) string {
	dir := pipePrefix + "plexus"
	for _, name := range [...]string{"USERDOMAIN", "USERNAME"} {
		if value := getenv(name); value != "" {
			dir += "-" + plainName(value)
		}
	}
	return dir
}

// plainName replaces what is not a letter, digit or one of . _ ~ in a user's name.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && isUnreserved(byte(r)) && r != '-' {
			return r
		}
		return '_'
	}, lowerASCII(s))
}

// Resolve turns auto:name into the address of that name in a runtime directory
// (see RuntimeDir): unix://dir/name.sock, or npipe://./pipe/prefix-name if dir is a
// prefix of pipe names. Any other endpoint comes back unchanged, and so does
// nothing less protected ever come out of it: not a TCP port. Options move along;
// mode and group do not exist for pipes and are left out, which leaves the pipe to
// its owner alone. The error is a *ParseError, most often because the path is too long.
func (e Endpoint) Resolve(dir string) (Endpoint, error) {
	if e.scheme != "auto" {
		return e, nil
	}
	p := e.parts()
	prefix, isPipe := strings.CutPrefix(dir, pipePrefix)
	if isPipe {
		p.scheme, _ = lookup("npipe")
		p.host, p.name = ".", prefix+"-"+e.name
		p.options = keepKnown(p.scheme, p.options)
		return p.endpoint(e.String())
	}
	p.scheme, _ = lookup("unix")
	p.path, p.name = join(dir, e.name+".sock"), ""
	if dir == "" {
		return Endpoint{}, refuse(e.String(), errors.New("the runtime directory is empty; give the result of RuntimeDir"))
	}
	return p.endpoint(e.String())
}

// keepKnown leaves out the options that a scheme does not know.
func keepKnown(s scheme, options []option) []option {
	var kept []option
	for _, o := range options {
		if _, err := s.canonicalOption(o); err == nil {
			kept = append(kept, o)
		}
	}
	return kept
}
