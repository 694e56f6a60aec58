// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Parse reads one of the forms of the package comment, or a bare name, which is
// auto:name. Foreign spellings are left to ParseForeign, so that the text of a
// configuration has one meaning. The error is a *ParseError.
func Parse(text string) (Endpoint, error) {
	p, err := split(text)
	if err != nil {
		return Endpoint{}, refuse(text, err)
	}
	return p.endpoint(text)
}

// parts is an address taken apart and decoded, but neither checked nor canonical.
type parts struct {
	scheme  scheme
	host    string
	port    int // or noPort
	path    string
	name    string
	options []option
}

// split takes a URL or a bare name apart.
func split(text string) (parts, error) {
	if err := checkInput(text); err != nil {
		return parts{}, err
	}
	address, query, _ := strings.Cut(text, "?")
	name, rest, found := strings.Cut(address, ":")
	if !found {
		name, rest = "auto", address
		if err := checkBare(address); err != nil {
			return parts{}, err
		}
	}
	s, known := lookup(lowerASCII(name))
	if !known {
		return parts{}, unknownScheme(name, rest)
	}
	p := parts{scheme: s, port: noPort}
	if err := p.splitBody(rest); err != nil {
		return parts{}, err
	}
	var err error
	p.options, err = splitQuery(query)
	return p, err
}

// checkInput refuses what is wrong before the first colon is looked for.
func checkInput(text string) error {
	switch {
	case text == "":
		return errors.New("the address is empty; write a URL such as unix:///run/demo.sock, or a bare name")
	case len(text) > maxText:
		return fmt.Errorf("the address has %d bytes, at most %d are allowed", len(text), maxText)
	case strings.TrimSpace(text) != text:
		return errors.New("the address begins or ends with white space; remove it")
	case strings.Contains(text, "#"):
		return errors.New("the address has a '#'; write %23 for the character itself")
	}
	return checkText(text)
}

// checkBare explains what a text without a colon may have meant.
func checkBare(text string) error {
	if s, known := lookup(text); known {
		return fmt.Errorf("%s is a scheme without an address; write %s, or auto:%s for that name", text, s.example(), text)
	}
	switch {
	case strings.HasPrefix(text, "/"):
		return fmt.Errorf("a path needs a scheme; write unix://%s", escapePath(text))
	case strings.HasPrefix(text, `\\`):
		return errors.New(`a pipe path needs a scheme; write npipe://./pipe/name`)
	case detect(text) == SpellingDapper:
		return errors.New("these are arguments for Dapper; convert them with FromDapperArgs or ParseForeign")
	case strings.ContainsAny(text, `/\`):
		return errors.New("a relative path is no address; write unix:// and an absolute path")
	}
	return nil
}

// unknownScheme explains what a text with an unknown scheme may have meant.
func unknownScheme(name, rest string) error {
	if reason := foreignService(name); reason != nil {
		return reason
	}
	switch {
	case isForeignScheme(name):
		return fmt.Errorf("%s is the spelling of another system; convert it with ParseForeign", clip(name+":"))
	case strings.Contains(rest, "@"):
		return errUserinfo
	case len(name) == 1 && rest != "" && (rest[0] == '\\' || rest[0] == '/'):
		return errors.New("a Windows path needs a scheme; write unix:///C:/dir/file")
	case rest == "", rest[0] >= '0' && rest[0] <= '9', rest[0] == ':', strings.HasPrefix(name, "["):
		return errors.New("a host and port need a scheme; write tcp://host:port, with brackets around an IPv6 address")
	}
	return unknownTransport(name)
}

func unknownTransport(name string) error {
	return fmt.Errorf("unknown transport %s; known are %s, and x-… for third-party transports", clip(name), knownSchemes())
}

// splitBody takes apart what stands between the scheme's colon and the options.
func (p *parts) splitBody(rest string) (err error) {
	switch p.scheme.shape {
	case shapeNone:
		if rest != "" && rest != "//" {
			return fmt.Errorf("%s: takes no address; write just \"%s:\"", p.scheme.name, p.scheme.name)
		}
		return nil
	case shapeAuto:
		p.name, err = unescape(strings.TrimPrefix(rest, "//"))
		return err
	}
	body, found := strings.CutPrefix(rest, "//")
	if !found {
		return fmt.Errorf("after %s: two slashes are missing; write %s", p.scheme.name, p.scheme.example())
	}
	switch p.scheme.shape {
	case shapeName, shapeFD:
		p.name, err = unescape(body)
	case shapeSocket, shapeFile, shapeDir:
		err = p.splitFile(body)
	case shapePipe:
		err = p.splitPipe(body)
	default:
		err = p.splitHost(body)
	}
	return err
}

// splitFile reads /path, or @name where the scheme has abstract names.
func (p *parts) splitFile(body string) (err error) {
	if name, ok := strings.CutPrefix(body, "@"); ok {
		if p.scheme.shape != shapeSocket {
			return fmt.Errorf("%s has no abstract names; write %s", p.scheme.name, p.scheme.example())
		}
		if name == "" {
			return errEmptyAbstract
		}
		p.name, err = unescape(name)
		return err
	}
	if body != "" && body[0] != '/' {
		return fmt.Errorf("the path is relative (its first part stands where a host would); write %s:///%s if that is meant",
			p.scheme.name, escape(body, keepPath+"%"))
	}
	p.path, err = decodePath(body)
	return err
}

// splitPipe reads host/pipe/name.
func (p *parts) splitPipe(body string) (err error) {
	host, path, _ := strings.Cut(body, "/")
	name, found := strings.CutPrefix(path, "pipe/")
	if !found {
		return fmt.Errorf("the name does not follow /pipe/; write %s", p.scheme.example())
	}
	if p.host, err = unescape(host); err != nil {
		return err
	}
	p.name, err = unescape(name)
	return err
}

// splitHost reads host[:port][/path].
func (p *parts) splitHost(body string) (err error) {
	authority, path := body, ""
	if i := strings.IndexByte(body, '/'); i >= 0 {
		authority, path = body[:i], body[i:]
	}
	if p.host, p.port, err = splitHostPort(authority); err != nil {
		return err
	}
	if p.scheme.shape == shapeCustom && !strings.HasPrefix(authority, "[") {
		if p.host, err = unescape(p.host); err != nil {
			return err
		}
	}
	if p.scheme.shape == shapeTCP {
		path = strings.TrimPrefix(path, "/")
	}
	p.path, err = decodePath(path)
	return err
}

// example is what a message shows of a scheme.
func (s scheme) example() string {
	body := map[shape]string{
		shapeNone: "", shapeAuto: "name", shapeName: "//name", shapeFD: "//3",
		shapeSocket: "///run/demo.sock", shapeFile: "///run/demo", shapeDir: "///run/demo",
		shapeTCP: "//host:port", shapeWeb: "//host:port/path", shapePipe: "//./pipe/name", shapeCustom: "//host:port/path",
	}[s.shape]
	return s.name + ":" + body
}

// parseFD accepts a descriptor number in plain decimal.
func parseFD(name string) error {
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil || n > maxFD || strconv.FormatUint(n, 10) != name {
		return fmt.Errorf("the descriptor %s is not a number in plain decimal; write fd://3", clip(name))
	}
	return nil
}
