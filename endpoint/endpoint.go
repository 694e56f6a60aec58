// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Endpoint is a parsed address. It is an immutable, comparable value: equal
// endpoints print alike and may be map keys. The zero Endpoint is "no address";
// every other one was checked when it was made and needs no further validation.
type Endpoint struct {
	scheme string
	host   string // without brackets; "." or a server for npipe
	port   uint16
	path   string // as the operating system wants it
	name   string // abstract, pipe, queue, mem or auto name; digits for fd
	query  string // canonical, encoded, without '?'
}

// IsZero says whether e is no address at all.
func (e Endpoint) IsZero() bool { return e == Endpoint{} }

// Scheme names the transport: "unix", "tcp", "x-mine" …; "" for the zero Endpoint.
func (e Endpoint) Scheme() string { return e.scheme }

// Host is the host name or IP address without brackets (with its zone after '%'),
// or the server of a named pipe ("." is this machine); "" where there is none.
func (e Endpoint) Host() string { return e.host }

// Port is the port. 0 means any free port when listening, or that the scheme has
// none. ws and wss have their default port when the address does not name one.
func (e Endpoint) Port() int { return int(e.port) }

// Path is the file or directory as the operating system wants it, or the path of
// a ws URL, decoded; "" for an abstract socket and for schemes without a path.
func (e Endpoint) Path() string { return e.path }

// Name is the decoded name of a mem, mq, auto or npipe endpoint, the name of an
// abstract socket without its '@', or the digits of fd; "" for all others.
func (e Endpoint) Name() string { return e.name }

// Abstract says whether e is a Unix socket in Linux's abstract name space.
func (e Endpoint) Abstract() bool {
	s, _ := lookup(e.scheme)
	return s.shape == shapeSocket && e.name != ""
}

// FD is the descriptor number of an fd endpoint, and -1 for all others.
func (e Endpoint) FD() int {
	if e.scheme != "fd" {
		return -1
	}
	n, _ := strconv.Atoi(e.name)
	return n
}

// Network is the first argument that net.Dial and net.Listen want for e, or "" if
// package net does not know such an address.
func (e Endpoint) Network() string {
	s, _ := lookup(e.scheme)
	return s.network
}

// Address is the second argument that net.Dial and net.Listen want: host:port, a
// socket path, or '@' and the abstract name. For other schemes it is what the
// operating system calls the thing: \\.\pipe\name, /queue, a path, a number, a name.
func (e Endpoint) Address() string {
	s, _ := lookup(e.scheme)
	switch {
	case s.shape == shapeTCP || s.shape == shapeWeb || s.shape == shapeCustom && e.port != 0:
		return net.JoinHostPort(e.host, strconv.Itoa(int(e.port)))
	case s.shape == shapePipe:
		return `\\` + e.host + `\pipe\` + e.name
	case s.shape == shapeSocket && e.name != "":
		return "@" + e.name
	case e.scheme == "mq":
		return "/" + e.name
	}
	return e.host + e.path + e.name // exactly one of them, but for x- schemes
}

// Local says whether e can only lead to this machine, judged by its text alone:
// no name is looked up, so any host but localhost and loopback addresses is not
// local, and neither is a third-party scheme.
func (e Endpoint) Local() bool {
	switch s, ok := lookup(e.scheme); s.shape {
	case shapeTCP, shapeWeb:
		return loopback(e.host)
	case shapePipe:
		return e.host == "."
	default:
		return ok && s.shape != shapeCustom
	}
}

// loopback says whether a canonical host is this machine's loopback.
func loopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.TrimSuffix(host, ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// String prints e canonically, in ASCII; "" for the zero Endpoint.
func (e Endpoint) String() string {
	if e.IsZero() {
		return ""
	}
	text := e.scheme + ":" + e.body()
	if e.query != "" {
		text += "?" + e.query
	}
	return text
}

// body prints what stands between the scheme's colon and the options.
func (e Endpoint) body() string {
	switch s, _ := lookup(e.scheme); s.shape {
	case shapeNone:
		return ""
	case shapeAuto:
		return escape(e.name, keepName)
	case shapeSocket:
		if e.name != "" {
			return "//@" + escape(e.name, keepPath)
		}
		return "//" + escapePath(e.path)
	case shapeTCP:
		return "//" + hostText(e.host) + ":" + strconv.Itoa(int(e.port))
	case shapeWeb:
		return "//" + hostText(e.host) + portText(e.port, s.port) + escapePath(e.path)
	case shapePipe:
		return "//" + hostText(e.host) + "/pipe/" + escape(e.name, keepName)
	case shapeCustom:
		return "//" + hostText(e.host) + portText(e.port, 0) + escapePath(e.path)
	}
	return "//" + escapePath(e.path) + escape(e.name, keepName) // one of them is empty
}

// MarshalText prints e as String does. It never fails.
func (e Endpoint) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText parses as Parse does, except that empty text is the zero
// Endpoint, so that an optional field of a configuration may be empty.
// On an error e is unchanged.
func (e *Endpoint) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*e = Endpoint{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*e = parsed
	return nil
}

// hostText prints a host for a URL: IPv6 in brackets, its zone after %25.
func hostText(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	return escape(host, "")
}

// portText prints a port unless it is the default.
func portText(port, standard uint16) string {
	if port == standard {
		return ""
	}
	return ":" + strconv.Itoa(int(port))
}
