// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"strings"
)

// Record is an address as configuration files, environments and other programs
// spell it: one field per part. Fields that the transport has no use for stay empty.
type Record struct {
	Transport string `json:"transport"`           // the scheme, "tcp"; empty is auto
	Host      string `json:"host,omitempty"`      // without brackets; for npipe the server, empty is this machine
	Port      int    `json:"port,omitempty"`      // 0 is any free port, and the default port of ws and wss
	Path      string `json:"path,omitempty"`      // socket, file or directory; "@name" is an abstract socket
	PipeName  string `json:"pipe_name,omitempty"` // name, or the whole \\server\pipe\name
	Name      string `json:"name,omitempty"`      // of mem, mq and auto; digits of fd
}

// FromRecord checks a record and makes an endpoint of it. The transport is not
// case-sensitive. The error is a *ParseError; for an unknown transport it lists the known ones.
func FromRecord(r Record) (Endpoint, error) {
	name := lowerASCII(r.Transport)
	if name == "" {
		name = "auto"
	}
	input := fmt.Sprintf("%+v", r)
	s, known := lookup(name)
	if !known {
		return Endpoint{}, refuse(input, unknownTransport(r.Transport))
	}
	p := parts{scheme: s, host: strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]"), port: noPort, path: r.Path, name: r.Name}
	if s.shape == shapeTCP || r.Port != 0 {
		p.port = r.Port
	}
	if err := p.adopt(r); err != nil {
		return Endpoint{}, refuse(input, err)
	}
	return p.endpoint(input)
}

// adopt puts those fields of a record in place that parts names otherwise.
func (p *parts) adopt(r Record) error {
	switch p.scheme.shape {
	case shapePipe:
		if r.Name != "" {
			return fmt.Errorf("npipe has a PipeName and no Name; move %s there", clip(r.Name))
		}
		p.name = r.PipeName
		if host, name, ok := cutPipePath(r.PipeName); ok && r.Host == "" {
			p.host, p.name = host, name
		}
		if p.host == "" {
			p.host = "."
		}
		return nil
	case shapeSocket:
		if name, ok := strings.CutPrefix(r.Path, "@"); ok && r.Name == "" {
			if name == "" {
				return errEmptyAbstract
			}
			p.path, p.name = "", name
		}
	}
	if r.PipeName != "" {
		return fmt.Errorf("%s takes no PipeName; use npipe", p.scheme.name)
	}
	return nil
}

// Record takes e apart, without its options. FromRecord(e.Record()) gives e back
// if it has none (but for a web address with the explicit port 0).
func (e Endpoint) Record() Record {
	r := Record{Transport: e.scheme, Host: e.host, Port: int(e.port), Path: e.path}
	s, _ := lookup(e.scheme)
	switch {
	case s.shape == shapePipe:
		r.PipeName = e.name
	case s.shape == shapeSocket && e.name != "":
		r.Path = "@" + e.name
	default:
		r.Name = e.name
	}
	return r
}

// parts takes e apart such that endpoint gives it back.
func (e Endpoint) parts() parts {
	s, _ := lookup(e.scheme)
	p := parts{scheme: s, host: e.host, port: noPort, path: e.path, name: e.name}
	if _, hasPort, _, _ := s.shape.uses(); hasPort && (e.port != 0 || s.shape != shapeCustom) {
		p.port = int(e.port)
	}
	p.options, _ = splitQuery(e.query)
	return p
}

// TCP is tcp://host:port; an IPv6 host may stand in brackets or not.
func TCP(host string, port int) (Endpoint, error) {
	return FromRecord(Record{Transport: "tcp", Host: host, Port: port})
}

// Unix is the stream socket at an absolute path, or with an abstract name if the
// path begins with '@', as in package net.
func Unix(path string) (Endpoint, error) {
	return FromRecord(Record{Transport: "unix", Path: path})
}

// Pipe is the named pipe \\.\pipe\name of this machine; name may be that whole path,
// also with another server.
func Pipe(name string) (Endpoint, error) {
	return FromRecord(Record{Transport: "npipe", PipeName: name})
}

// Auto is auto:name.
func Auto(name string) (Endpoint, error) {
	return FromRecord(Record{Transport: "auto", Name: name})
}

// WithPort is e with another port: a listener that was asked for port 0 reports
// its real endpoint with it. The error is a *ParseError.
func (e Endpoint) WithPort(port int) (Endpoint, error) {
	p := e.parts()
	p.port = port
	return p.endpoint(e.String())
}

// WithScheme is e with another scheme of the same form: shared memory has a unix socket at
// its path, so shm and unix stand for each other. Options that the new scheme does not know
// are left out. The error is a *ParseError.
func (e Endpoint) WithScheme(name string) (Endpoint, error) {
	p := e.parts()
	s, ok := lookup(name)
	if !ok {
		return Endpoint{}, refuse(e.String(), errors.New("unknown transport "+clip(name)))
	}
	p.scheme = s
	p.options = keepKnown(s, p.options)
	return p.endpoint(e.String())
}
