// SPDX-License-Identifier: Apache-2.0

package endpoint

import "strings"

// shape is the grammar that follows a scheme.
type shape uint8

const (
	shapeNone   shape = iota // stdio:
	shapeAuto                // auto:name
	shapeName                // mem://name
	shapeFD                  // fd://3
	shapeSocket              // unix:///path or unix://@name
	shapeFile                // shm:///path
	shapeDir                 // drop:///dir
	shapeTCP                 // tcp://host:port
	shapeWeb                 // ws://host[:port]/path
	shapePipe                // npipe://host/pipe/name
	shapeCustom              // x-name://[host[:port]][/path]
)

// scheme is one row of the table of what Plexus knows.
type scheme struct {
	name    string
	shape   shape
	max     int    // longest path or name in bytes
	port    uint16 // default port of a web scheme
	access  bool   // knows mode= and group=
	single  bool   // knows one=
	open    bool   // keeps every option
	network string // what net.Dial calls it
}

// Longest texts. They are the strictest of all platforms: see the package comment.
const (
	maxText     = 8192
	maxSunPath  = 103
	maxAbstract = 107
	maxPath     = 4095
	maxSegment  = 255
	maxPipePath = 256
	maxName     = 255
	maxQueue    = 254
	maxAuto     = 64
	maxFD       = 1<<31 - 1
)

// schemes is in the order in which messages list it, and is never written.
var schemes = [...]scheme{
	{name: "unix", shape: shapeSocket, max: maxSunPath, access: true, single: true, network: "unix"},
	{name: "unixpacket", shape: shapeSocket, max: maxSunPath, access: true, single: true, network: "unixpacket"},
	{name: "unixgram", shape: shapeSocket, max: maxSunPath, access: true, network: "unixgram"},
	{name: "tcp", shape: shapeTCP, single: true, network: "tcp"},
	{name: "tls", shape: shapeTCP, single: true, network: "tcp"},
	{name: "noise+tcp", shape: shapeTCP, single: true, network: "tcp"},
	{name: "ws", shape: shapeWeb, max: maxPath, port: 80, open: true, network: "tcp"},
	{name: "wss", shape: shapeWeb, max: maxPath, port: 443, open: true, network: "tcp"},
	{name: "npipe", shape: shapePipe, max: maxPipePath, single: true},
	{name: "shm", shape: shapeFile, max: maxSunPath, access: true, single: true},
	{name: "mmap", shape: shapeFile, max: maxPath, access: true},
	{name: "mq", shape: shapeName, max: maxQueue, access: true},
	{name: "drop", shape: shapeDir, max: maxPath, access: true},
	{name: "mem", shape: shapeName, max: maxName},
	{name: "stdio", shape: shapeNone},
	{name: "fd", shape: shapeFD},
	{name: "auto", shape: shapeAuto, max: maxAuto, access: true, single: true},
}

// lookup finds the row of a lower-case scheme; a third-party one gets a row made for it.
func lookup(name string) (scheme, bool) {
	for _, s := range schemes {
		if s.name == name {
			return s, true
		}
	}
	if isCustom(name) {
		return scheme{name: name, shape: shapeCustom, max: maxPath, open: true}, true
	}
	return scheme{}, false
}

// isCustom says whether name is a well-formed third-party scheme.
func isCustom(name string) bool {
	rest, ok := strings.CutPrefix(name, "x-")
	return ok && rest != "" && len(name) <= 64 && isSchemeText(name)
}

// isSchemeText says whether s is a scheme by the rule of RFC 3986, in lower case.
func isSchemeText(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' {
			continue
		}
		if i == 0 || !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.') {
			return false
		}
	}
	return s != ""
}

// knownSchemes lists the table for a message.
func knownSchemes() string {
	names := make([]string, len(schemes))
	for i, s := range schemes {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}
