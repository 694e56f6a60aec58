// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Format writes e in a spelling. What ParseForeign reads of the result is e
// without its options, which are the listener's business and which foreign
// spellings cannot hold. The error is a *ParseError: the spelling has no form for
// such an endpoint or for a character in it.
func (e Endpoint) Format(s Spelling) (string, error) {
	if e.IsZero() {
		return "", refuse("", errors.New("the zero endpoint has no spelling"))
	}
	if s == SpellingURL {
		return e.String(), nil
	}
	text, err := e.write(s)
	if err == nil {
		err = e.checkReread(text, s)
	}
	if err != nil {
		return "", refuse(e.String(), err)
	}
	return text, nil
}

// FormatList writes endpoints in one spelling, separated by commas.
func FormatList(list []Endpoint, s Spelling) (string, error) {
	texts := make([]string, len(list))
	for i, e := range list {
		text, err := e.Format(s)
		if err != nil {
			return "", err
		}
		if strings.Contains(text, ",") {
			return "", refuse(e.String(), fmt.Errorf("the %s spelling of it holds a comma, which separates a list", s))
		}
		texts[i] = text
	}
	return strings.Join(texts, ","), nil
}

// write prints e in a foreign spelling, without regard to odd characters.
func (e Endpoint) write(s Spelling) (string, error) {
	switch {
	case s == SpellingHyper:
		return e.writeHyper()
	case s == SpellingPipe && e.scheme == "npipe":
		return e.Address(), nil
	case s == SpellingPath && e.scheme == "unix" && e.path != "":
		return e.path, nil
	case s == SpellingHostPort && e.scheme == "tcp":
		return e.Address(), nil
	case s == SpellingGRPC && e.scheme == "unix":
		if e.name != "" {
			return "unix-abstract:" + e.name, nil
		}
		return "unix:" + e.path, nil
	case s == SpellingZeroMQ:
		return e.writeZeroMQ()
	case s == SpellingDapper:
		args, err := e.dapperArgs()
		return strings.Join(args, " "), err
	}
	return "", e.noForm(s)
}

func (e Endpoint) writeHyper() (string, error) {
	switch {
	case e.scheme == "tcp" && e.port == 0:
		return "tab.tcp://" + net.JoinHostPort(e.host, "auto"), nil
	case e.scheme == "tcp":
		return "tab.tcp://" + e.Address(), nil
	case e.scheme == "unix" && e.path != "":
		dir, name, _ := cutLast(e.path, "/")
		return "tab.domain://" + dir + "/domain/" + name, nil
	case e.scheme == "npipe":
		return "tab.pipe://" + e.host + "/pipe/" + e.name, nil
	}
	return "", e.noForm(SpellingHyper)
}

func (e Endpoint) writeZeroMQ() (string, error) {
	switch e.scheme {
	case "unix":
		return "ipc://" + e.Address(), nil
	case "mem":
		return "inproc://" + e.name, nil
	case "tcp":
		return "tcp://" + net.JoinHostPort(e.host, strconv.Itoa(int(e.port))), nil
	}
	return "", e.noForm(SpellingZeroMQ)
}

// noForm is why a spelling cannot say e.
func (e Endpoint) noForm(s Spelling) error {
	what := e.scheme
	if e.Abstract() {
		what = "abstract " + what
	}
	return fmt.Errorf("the spelling %s has no form for %s endpoints", clip(string(s)), what)
}

// checkReread makes sure that text says e again. Spellings without encoding cannot
// hold some characters, and finding out by reading is surer than listing them.
func (e Endpoint) checkReread(text string, s Spelling) error {
	again, err := parseAs(s, text)
	if s == SpellingZeroMQ && e.scheme == "tcp" {
		again, err = Parse(text)
	}
	if bare := checkInput(text); bare != nil {
		err = bare
	}
	e.query = ""
	if err != nil || again != e {
		return fmt.Errorf("it holds characters that the spelling %s cannot express", s)
	}
	return nil
}
