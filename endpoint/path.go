// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"strings"
)

var errEmptyAbstract = errors.New("the abstract name is empty; write one, as in unix://@demo")

// cleanPath makes an absolute, folded path as the operating system wants it, or
// says why it cannot. A trailing slash is kept for the caller to judge.
func cleanPath(path string) (string, error) {
	if isDrive(path) {
		path = "/" + path
	}
	if !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("the path %s is relative; write an absolute one", clip(path))
	}
	path, err := foldSegments(path)
	if err != nil || !isDrive(path[1:]) {
		return path, err
	}
	drive, rest := strings.ToUpper(path[1:3]), strings.ReplaceAll(path[3:], `\`, "/")
	rest, err = foldSegments(rest)
	return drive + rest, err
}

// foldSegments removes empty and "." segments and refuses "..".
func foldSegments(path string) (string, error) {
	var b strings.Builder
	for segment := range strings.SplitSeq(path[1:], "/") {
		switch {
		case segment == "" || segment == ".":
			continue
		case segment == "..":
			return "", errors.New("the path climbs with \"..\"; write where it leads")
		case len(segment) > maxSegment:
			return "", fmt.Errorf("a part of the path has %d bytes; file systems allow %d", len(segment), maxSegment)
		}
		b.WriteByte('/')
		b.WriteString(segment)
	}
	if strings.HasSuffix(path, "/") || b.Len() == 0 {
		b.WriteByte('/')
	}
	return b.String(), nil
}

// isDrive says whether path begins like C:/ or C:\ .
func isDrive(path string) bool {
	return len(path) >= 3 && path[1] == ':' && (path[2] == '/' || path[2] == '\\') &&
		(path[0]|0x20 >= 'a' && path[0]|0x20 <= 'z')
}

// filePath cleans the path of a file or, if dir, of a directory.
func filePath(path string, limit int, dir bool) (string, error) {
	if path == "" {
		return "", errors.New("the path is empty; write an absolute one after the scheme, as in unix:///run/demo.sock")
	}
	path, err := cleanPath(path)
	if err != nil {
		return "", err
	}
	if dir {
		path = strings.TrimSuffix(path, "/")
	}
	switch {
	case path == "" || path == "/" || len(path) <= 3 && isDrive(path+"/"):
		return "", errors.New("the path is the root directory; name something in it")
	case strings.HasSuffix(path, "/"):
		return "", errors.New("the path ends in a slash, so it is a directory; name a file in it")
	case len(path) > limit:
		return "", fmt.Errorf("the path has %d bytes, but at most %d work on every platform; choose a shorter one", len(path), limit)
	}
	return path, nil
}

// webPath cleans the path of a URL; the root is the default.
func webPath(path string, limit int) (string, error) {
	if path == "" {
		return "/", nil
	}
	if path[0] != '/' {
		return "", fmt.Errorf("the path %s does not begin with a slash", clip(path))
	}
	path, err := foldSegments(path)
	if err == nil && len(path) > limit {
		return "", fmt.Errorf("the path has %d bytes, at most %d are allowed", len(path), limit)
	}
	return path, err
}

// decodePath decodes the path of a URL. An encoded slash would be a slash in a
// name for some readers and a separator for others.
func decodePath(raw string) (string, error) {
	if strings.Contains(strings.ToLower(raw), "%2f") {
		return "", errors.New("the path has an encoded slash (%2F); a name in a path cannot hold one")
	}
	return unescape(raw)
}

// checkName refuses what no name may hold; bad lists further forbidden characters.
func checkName(what, name string, limit int, bad string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s is empty; write one after the scheme", what)
	case len(name) > limit:
		return fmt.Errorf("the %s has %d bytes, at most %d are allowed", what, len(name), limit)
	case strings.ContainsAny(name, bad):
		return fmt.Errorf("the %s %s holds one of %s", what, clip(name), bad)
	case name == "." || name == "..":
		return fmt.Errorf("the %s is %q, which means a directory", what, name)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("the %s %s begins or ends with a space", what, clip(name))
	}
	return nil
}

// checkAutoName allows what can be a file name and a pipe name everywhere.
func checkAutoName(name string, limit int) error {
	if err := checkName("name", name, limit, `/\:*?"<>|`); err != nil {
		return err
	}
	if strings.IndexByte(".-@", name[0]) >= 0 {
		return fmt.Errorf("the name %s begins with %q; begin it with a letter", clip(name), name[0])
	}
	return nil
}
