// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"strings"
)

// Spelling names a way to write an address.
type Spelling string

// The spellings that ParseForeign recognises and Format writes.
const (
	SpellingURL      Spelling = "url"      // our own, as Parse and String have it
	SpellingHyper    Spelling = "hyper"    // tab.tcp://host:port, tab.domain://dir/domain/name, tab.pipe://host/pipe/name
	SpellingPipe     Spelling = "pipe"     // \\.\pipe\name, also with doubled backslashes
	SpellingPath     Spelling = "path"     // /run/demo.sock, C:\dir\demo.sock
	SpellingHostPort Spelling = "hostport" // localhost:80, [::1]:80
	SpellingGRPC     Spelling = "grpc"     // unix:/run/demo.sock, unix-abstract:demo
	SpellingZeroMQ   Spelling = "zeromq"   // ipc:///run/demo.sock, ipc://@demo, inproc://demo, tcp://host:port
	SpellingDapper   Spelling = "dapper"   // --ipc tcp --ipc-host h --ipc-port p, --ipc unix --ipc-path f, --ipc pipe --ipc-pipe n

	// SpellingService is http(s)://, grpc(s)://, tcp.grpc:// and tcp.grpctls://: addresses
	// of services that are recognised, but are no endpoints of Plexus.
	SpellingService Spelling = "service"
)

// ParseForeign reads an address in any spelling and says in which; where a text
// fits several, our own wins. The spelling is also set beside an error (a
// *ParseError) when it was recognised. Foreign spellings have no
// percent-encoding and no options; they are held to the same limits.
func ParseForeign(text string) (Endpoint, Spelling, error) {
	if err := checkInput(text); err != nil {
		return Endpoint{}, "", refuse(text, err)
	}
	spelling := detect(text)
	e, err := parseAs(spelling, text)
	return e, spelling, err
}

// ParseList reads addresses in any spelling, separated by commas, as Hyper takes
// them. A comma inside an address must be percent-encoded. One bad entry fails the whole.
func ParseList(text string) ([]Endpoint, error) {
	if len(text) > maxText {
		return nil, refuse(text, fmt.Errorf("the list has %d bytes, at most %d are allowed", len(text), maxText))
	}
	var list []Endpoint
	for entry := range strings.SplitSeq(text, ",") {
		e, _, err := ParseForeign(strings.TrimSpace(entry))
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// detect finds the spelling of a text by its beginning.
func detect(text string) Spelling {
	if text == "--ipc" || strings.HasPrefix(text, "--ipc ") || strings.HasPrefix(text, "--ipc=") {
		return SpellingDapper
	}
	scheme, rest, hasColon := strings.Cut(text, ":")
	switch {
	case strings.HasPrefix(text, `\\`), strings.HasPrefix(text, "npipe:////"):
		return SpellingPipe
	case strings.HasPrefix(text, "/"), isDrive(text):
		return SpellingPath
	case !hasColon:
		return SpellingURL
	case strings.HasPrefix(text, "["):
		return SpellingHostPort
	case foreignService(scheme) != nil:
		return SpellingService
	case scheme == "unix" && !strings.HasPrefix(rest, "//"), scheme == "unix-abstract":
		return SpellingGRPC
	case scheme == "ipc", scheme == "inproc":
		return SpellingZeroMQ
	case isForeignScheme(scheme):
		return SpellingHyper
	}
	return detectHostPort(scheme, rest)
}

// detectHostPort tells host:port from a scheme; a known scheme wins.
func detectHostPort(scheme, rest string) Spelling {
	_, known := lookup(lowerASCII(scheme))
	_, err := parsePort(rest)
	switch {
	case known:
		return SpellingURL
	case rest == "auto":
		return SpellingHyper
	case err == nil, strings.Contains(rest, ":") && !strings.Contains(rest, "/"):
		return SpellingHostPort
	case rest == "" || rest[0] >= '0' && rest[0] <= '9':
		return SpellingHostPort // with a port that the parser refuses
	}
	return SpellingURL
}

// parseAs reads a text whose spelling is known.
func parseAs(spelling Spelling, text string) (Endpoint, error) {
	switch spelling {
	case SpellingHyper:
		return parseHyper(text)
	case SpellingPipe:
		return parsePipePath(text)
	case SpellingPath:
		return foreign(text, "unix", parts{port: noPort, path: text}, nil)
	case SpellingHostPort:
		return parseHostPort(text, text, false)
	case SpellingGRPC:
		return parseGRPC(text)
	case SpellingZeroMQ:
		return parseZeroMQ(text)
	case SpellingDapper:
		e, _, err := FromDapperArgs(strings.Fields(text))
		return e, err
	case SpellingService:
		scheme, _, _ := strings.Cut(text, ":")
		return Endpoint{}, refuse(text, foreignService(scheme))
	}
	return Parse(text)
}

// foreign makes an endpoint of decoded parts, unless taking them apart failed.
func foreign(input, scheme string, p parts, err error) (Endpoint, error) {
	if err != nil {
		return Endpoint{}, refuse(input, err)
	}
	p.scheme, _ = lookup(scheme)
	return p.endpoint(input)
}

// parseHostPort reads host:port, where auto stands for port 0 if Hyper wrote it.
func parseHostPort(input, text string, hyper bool) (Endpoint, error) {
	if host, ok := strings.CutSuffix(text, ":auto"); hyper && ok {
		text = host + ":0"
	}
	var p parts
	var err error
	p.host, p.port, err = splitHostPort(text)
	return foreign(input, "tcp", p, err)
}

// parseHyper reads tab.tcp, tcp.libpq, tab.domain, tab.pipe and host:auto.
func parseHyper(text string) (Endpoint, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		return parseHostPort(text, text, true)
	}
	switch scheme {
	case "tab.domain":
		dir, name, found := cutLast(rest, "/domain/")
		return foreign(text, "unix", parts{port: noPort, path: dir + "/" + name}, checkDomain(dir, name, found))
	case "tab.pipe":
		host, name, found := strings.Cut(rest, "/pipe/")
		var err error
		if !found {
			err = errors.New("/pipe/ is missing; write tab.pipe://host/pipe/name")
		}
		return foreign(text, "npipe", parts{port: noPort, host: host, name: name}, err)
	}
	return parseHostPort(text, rest, true)
}

// checkDomain refuses what a tab.domain descriptor must not leave out.
func checkDomain(dir, name string, found bool) error {
	switch {
	case !found:
		return errors.New("/domain/ is missing; write tab.domain://dir/domain/name")
	case dir == "":
		return errors.New("the directory before /domain/ is empty; write tab.domain:///dir/domain/name")
	case name == "" || strings.Contains(name, "/") || name == ".":
		return errors.New("what follows /domain/ is not a file name; write tab.domain:///dir/domain/name")
	}
	return nil
}

// parsePipePath reads \\server\pipe\name and Docker's npipe:////server/pipe/name.
func parsePipePath(text string) (Endpoint, error) {
	path := text
	if rest, ok := strings.CutPrefix(text, "npipe:"); ok {
		path = strings.ReplaceAll(rest, "/", `\`)
	}
	host, name, ok := cutPipePath(path)
	var err error
	if !ok {
		err = errors.New(`this is not a pipe path; write \\.\pipe\name`)
	}
	return foreign(text, "npipe", parts{port: noPort, host: host, name: name}, err)
}

// cutPipePath takes \\server\pipe\name apart; repeated backslashes count as one,
// because escaping in other languages often doubles them.
func cutPipePath(path string) (host, name string, ok bool) {
	rest, ok := strings.CutPrefix(path, `\\`)
	if !ok {
		return "", "", false
	}
	tokens := strings.FieldsFunc(rest, func(r rune) bool { return r == '\\' })
	if len(tokens) != 3 || !strings.EqualFold(tokens[1], "pipe") || strings.HasSuffix(rest, `\`) {
		return "", "", false
	}
	return tokens[0], tokens[2], true
}

// parseGRPC reads unix:path and unix-abstract:name.
func parseGRPC(text string) (Endpoint, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	if scheme == "unix" {
		return foreign(text, "unix", parts{port: noPort, path: rest}, nil)
	}
	var err error
	if rest == "" {
		err = errEmptyAbstract
	}
	return foreign(text, "unix", parts{port: noPort, name: rest}, err)
}

// parseZeroMQ reads ipc://path, ipc://@name and inproc://name.
func parseZeroMQ(text string) (Endpoint, error) {
	scheme, rest, found := strings.Cut(text, "://")
	var err error
	if !found {
		err = errors.New("two slashes are missing; write ipc:///run/demo.sock")
	}
	if scheme == "inproc" {
		return foreign(text, "mem", parts{port: noPort, name: rest}, err)
	}
	if rest == "*" {
		err = errors.New("ipc://* asks for a made-up path, which only ZeroMQ knows; write a path")
	}
	p := parts{port: noPort, path: rest}
	if name, ok := strings.CutPrefix(rest, "@"); ok {
		p.path, p.name = "", name
		if name == "" {
			err = errEmptyAbstract
		}
	}
	return foreign(text, "unix", p, err)
}

// isForeignScheme says whether ParseForeign knows a scheme that Parse does not.
func isForeignScheme(scheme string) bool {
	switch scheme {
	case "tab.tcp", "tab.domain", "tab.pipe", "tcp.libpq", "ipc", "inproc", "unix-abstract":
		return true
	}
	return false
}

// foreignService explains the schemes of services that are no endpoints; nil for others.
func foreignService(scheme string) error {
	switch lowerASCII(scheme) {
	case "http", "https":
		return errors.New("this is the address of a web server; Plexus answers HTTP through its web gateway and dials ws:// or wss://")
	case "grpc", "grpcs", "tcp.grpc", "tcp.grpctls":
		return errors.New("this is the address of a gRPC service; Plexus reaches it through its gRPC gateway, not as an endpoint")
	}
	return nil
}
