// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"strings"
)

// endpoint checks the parts and makes them canonical. It is the only place where
// an Endpoint is made; input is what a message shows.
func (p parts) endpoint(input string) (Endpoint, error) {
	e, err := p.build()
	if err != nil {
		return Endpoint{}, refuse(input, err)
	}
	if n := len(e.String()); n > maxText {
		return Endpoint{}, refuse(input, fmt.Errorf("the canonical address has %d bytes, at most %d are allowed", n, maxText))
	}
	return e, nil
}

func (p parts) build() (Endpoint, error) {
	if err := p.checkParts(); err != nil {
		return Endpoint{}, err
	}
	e := Endpoint{scheme: p.scheme.name}
	if p.port != noPort {
		e.port = uint16(p.port)
	}
	if err := p.fill(&e); err != nil {
		return Endpoint{}, err
	}
	var err error
	e.query, err = canonicalQuery(p.scheme, p.options)
	return e, err
}

// checkParts refuses what no scheme allows: constructors pass texts that were not parsed.
func (p parts) checkParts() error {
	for _, text := range [...]string{p.host, p.path, p.name} {
		if err := checkText(text); err != nil {
			return err
		}
	}
	if p.port != noPort {
		return checkPort(p.port)
	}
	return nil
}

// fill sets the fields of e that the scheme's grammar has, and refuses the others.
func (p parts) fill(e *Endpoint) (err error) {
	if err := p.checkUnused(); err != nil {
		return err
	}
	s := p.scheme
	switch s.shape {
	case shapeAuto:
		e.name, err = p.name, checkAutoName(p.name, s.max)
	case shapeName:
		e.name, err = p.name, checkName("name", p.name, s.max, `/`)
	case shapeFD:
		e.name, err = p.name, parseFD(p.name)
	case shapeSocket:
		err = p.fillSocket(e)
	case shapeFile, shapeDir:
		e.path, err = filePath(p.path, s.max, s.shape == shapeDir)
	case shapeTCP, shapeWeb:
		err = p.fillHost(e)
	case shapePipe:
		err = p.fillPipe(e)
	case shapeCustom:
		err = p.fillCustom(e)
	}
	return err
}

// checkUnused refuses parts that the grammar of the scheme has no place for.
func (p parts) checkUnused() error {
	host, port, path, name := p.scheme.shape.uses()
	for _, part := range [...]struct {
		what  string
		extra bool
	}{
		{"host", p.host != "" && !host}, {"port", p.port != noPort && !port},
		{"path", p.path != "" && !path}, {"name", p.name != "" && !name},
	} {
		if part.extra {
			return fmt.Errorf("%s takes no %s; write %s", p.scheme.name, part.what, p.scheme.example())
		}
	}
	return nil
}

// uses says which parts a grammar has.
func (s shape) uses() (host, port, path, name bool) {
	switch s {
	case shapeAuto, shapeName, shapeFD:
		return false, false, false, true
	case shapeSocket:
		return false, false, true, true
	case shapeFile, shapeDir:
		return false, false, true, false
	case shapeTCP:
		return true, true, false, false
	case shapePipe:
		return true, false, false, true
	case shapeWeb, shapeCustom:
		return true, true, true, false
	}
	return false, false, false, false
}

func (p parts) fillSocket(e *Endpoint) (err error) {
	switch {
	case p.name == "":
		e.path, err = filePath(p.path, p.scheme.max, false)
		return err
	case p.path != "":
		return errors.New("a socket has either a path or an abstract name; give one of them")
	case len(p.name) > maxAbstract:
		return fmt.Errorf("the abstract name has %d bytes, at most %d are possible", len(p.name), maxAbstract)
	}
	e.name = p.name
	return nil
}

func (p parts) fillHost(e *Endpoint) (err error) {
	if e.host, err = canonicalHost(p.host); err != nil {
		return err
	}
	if p.scheme.shape == shapeTCP {
		if p.port == noPort {
			return errNoPort
		}
		return nil
	}
	if p.port == noPort {
		e.port = p.scheme.port
	}
	e.path, err = webPath(p.path, p.scheme.max)
	return err
}

func (p parts) fillPipe(e *Endpoint) (err error) {
	e.host, e.name = p.host, p.name
	switch {
	case p.host == "":
		return errors.New("the server of the pipe is empty; write '.' for this machine, as in npipe://./pipe/name")
	case p.host != ".":
		if e.host, err = canonicalHost(p.host); err != nil {
			return err
		}
		if strings.Contains(e.host, ":") {
			return errors.New("a pipe server cannot be an IPv6 address; write its name")
		}
	}
	return checkName("pipe name", p.name, p.scheme.max-len(`\\\pipe\`)-len(e.host), `/\`)
}

func (p parts) fillCustom(e *Endpoint) (err error) {
	if p.host == "" && p.port != noPort {
		return errEmptyHost
	}
	if p.host == "" && p.path == "" {
		return fmt.Errorf("the address is empty; write %s", p.scheme.example())
	}
	if e.host, err = customHost(p.host); err != nil || p.path == "" {
		return err
	}
	if p.host != "" {
		e.path, err = webPath(p.path, p.scheme.max)
		return err
	}
	if e.path, err = cleanPath(p.path); err == nil && len(e.path) > p.scheme.max {
		err = fmt.Errorf("the path has %d bytes, at most %d are allowed", len(e.path), p.scheme.max)
	}
	return err
}

// customHost leaves the host of a third-party scheme as it is, unless it is an IP address.
func customHost(host string) (string, error) {
	if host == "" {
		return "", nil
	}
	if strings.Contains(host, ":") {
		if canonical, err := canonicalHost(host); err == nil {
			return canonical, nil
		}
	}
	return host, checkName("host", host, maxName, `/\@`)
}
