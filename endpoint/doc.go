// SPDX-License-Identifier: Apache-2.0

// Package endpoint parses, checks and prints the addresses of Plexus.
//
// An [Endpoint] says where a process listens or dials. It is made by [Parse],
// by a constructor or by [ParseForeign]; what was made is valid, canonical and
// comparable, so two endpoints are equal (==) exactly if they print alike, and
// Parse(e.String()) == e for every e.
//
// # Forms
//
//	unix:///run/demo.sock     stream socket at a path          (also unixpacket, unixgram)
//	unix://@demo              abstract name, Linux only        (also unixpacket, unixgram)
//	tcp://host:port           plain TCP; port 0 = any free one when listening
//	tls://host:port           TLS 1.3 over TCP
//	noise+tcp://host:port     sealed TCP without certificates
//	ws://host[:port]/path     WebSocket, wss:// with TLS       (ports 80 and 443 are not printed)
//	npipe://./pipe/name       Windows named pipe; npipe://server/pipe/name is a remote one
//	shm:///run/demo.sock      shared memory, met at this socket path
//	mmap:///dir/file          ring in a mapped file
//	mq://name                 POSIX message queue
//	drop:///dir               files dropped into a directory
//	mem://name                inside this process
//	stdio:                    standard input and output
//	fd://3                    an inherited descriptor
//	auto:name, or just name   the best transport here, see Endpoint.Resolve
//	x-name://host:port/path   a third-party transport, see below
//
// # Rules
//
// Parsing is pure and gives the same answer on every platform; whether this
// platform can use an endpoint is asked of [Endpoint.Supported]. The limits are
// therefore the strictest ones: a socket path has at most 103 bytes (macOS: 104
// with the NUL), an abstract name 107 (Linux: 108 with the leading NUL).
//
//   - Paths are absolute. Repeated and trailing-dot segments ("//", "/./") are
//     folded, ".." is refused. /C:/dir is always the Windows path C:/dir.
//   - Bytes outside A-Z a-z 0-9 - . _ ~ / : @ + = are percent-encoded on output;
//     on input spaces and Unicode may stand as they are, but '?', '#', '%' and, in
//     lists, ',' must be encoded. An encoded slash is refused in paths.
//   - Control characters, NUL, bidirectional overrides, U+FFFD and invalid UTF-8
//     are refused everywhere, also when percent-encoded: an endpoint is safe to log.
//   - Hosts are lower-cased; IPv6 stands in brackets and is printed in its
//     shortest form; a zone is written [fe80::1%25eth0] ("%eth0" is understood).
//     Numbers that only look like IPv4 (127.1, 0x7f.1) are refused.
//   - A user name or password in an address is refused: secrets do not belong there.
//   - mem, mq and auto names are compared byte by byte; file systems may not
//     distinguish upper from lower case, so do not rely on it.
//
// # Options
//
// Options follow a '?', are printed in the order of their names, and are refused
// if the scheme does not know them:
//
//	mode=0660    permission bits of what is created   unix*, shm, mmap, mq, drop, auto
//	group=dev    group that what is created belongs to             (the same schemes)
//	one=1        a listener takes one peer at a time and tells others that it is busy
//	             unix, unixpacket, shm, tcp, tls, noise+tcp, npipe, auto
//
// ws and wss keep every option, because it belongs to the URL that the server
// sees; x- schemes keep every option for their transport.
//
// # Third-party schemes
//
// A scheme that begins with "x-" is reserved for transports which a program
// registers in a transport.Set. Its address is an optional host, an optional
// port and an optional path (at least host or path); this package checks the
// syntax and leaves the meaning to the transport. Every other unknown scheme is
// an error that lists the known ones.
//
// All functions may be called by any number of goroutines. Nothing here reads
// the environment, the clock or the file system.
package endpoint
