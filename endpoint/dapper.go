// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// DapperArgs is the argument list that makes a Dapper launcher connect to e:
// tcp with a real port, unix with a path, or a pipe of this machine. Options are
// not handed over. The error is a *ParseError.
func DapperArgs(e Endpoint) ([]string, error) {
	args, err := e.dapperArgs()
	if err != nil {
		return nil, refuse(e.String(), err)
	}
	return args, nil
}

func (e Endpoint) dapperArgs() ([]string, error) {
	switch {
	case e.scheme == "tcp" && e.port == 0:
		return nil, errors.New("port 0 cannot be dialled; hand over the real endpoint of the listener")
	case e.scheme == "tcp":
		return []string{"--ipc", "tcp", "--ipc-host", e.host, "--ipc-port", strconv.Itoa(int(e.port))}, nil
	case e.scheme == "unix" && e.path != "":
		return []string{"--ipc", "unix", "--ipc-path", e.path}, nil
	case e.scheme == "npipe" && e.host == ".":
		return []string{"--ipc", "pipe", "--ipc-pipe", e.Address()}, nil
	}
	return nil, errors.New("the Dapper spelling knows tcp, unix paths and pipes of this machine only")
}

// FromDapperArgs finds --ipc and its companions in the arguments of a process, as
// "--ipc tcp" or "--ipc=tcp" and in any order, and gives the other arguments back.
// An absent --ipc is an error, because Dapper requires it. The error is a *ParseError.
func FromDapperArgs(args []string) (e Endpoint, rest []string, err error) {
	input := strings.Join(args, " ")
	values, rest, err := takeFlags(args, "--ipc", "--ipc-host", "--ipc-port", "--ipc-path", "--ipc-pipe")
	if err != nil {
		return Endpoint{}, nil, refuse(input, err)
	}
	scheme, p, err := dapperParts(values)
	e, err = foreign(input, scheme, p, err)
	if err != nil {
		return Endpoint{}, nil, err
	}
	return e, rest, nil
}

// dapperParts picks the companions that belong to the transport of --ipc.
func dapperParts(values map[string]string) (scheme string, p parts, err error) {
	p.port = noPort
	switch kind := lowerASCII(values["--ipc"]); kind {
	case "tcp":
		p.host = strings.TrimSuffix(strings.TrimPrefix(values["--ipc-host"], "["), "]")
		p.port, err = parsePort(values["--ipc-port"])
		return "tcp", p, err
	case "unix":
		p.path = values["--ipc-path"]
		return "unix", p, nil
	case "pipe":
		var ok bool
		if p.host, p.name, ok = cutPipePath(values["--ipc-pipe"]); !ok || p.host != "." {
			err = errors.New(`--ipc-pipe is not a pipe of this machine; write \\.\pipe\name`)
		}
		return "npipe", p, err
	default:
		return "", p, fmt.Errorf("--ipc is %s; Dapper knows tcp, unix and pipe", clip(kind))
	}
}

// takeFlags takes the named flags with their values out of args, up to "--".
func takeFlags(args []string, names ...string) (values map[string]string, rest []string, err error) {
	values = make(map[string]string)
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return values, append(rest, args[i:]...), nil
		}
		name, value, joined := strings.Cut(args[i], "=")
		if !slices.Contains(names, name) {
			rest = append(rest, args[i])
			continue
		}
		if _, twice := values[name]; twice {
			return nil, nil, fmt.Errorf("the argument %s stands twice", name)
		}
		if !joined {
			if i++; i == len(args) {
				return nil, nil, fmt.Errorf("the argument %s has no value", name)
			}
			value = args[i]
		}
		values[name] = value
	}
	return values, rest, nil
}
