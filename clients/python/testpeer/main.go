// SPDX-License-Identifier: Apache-2.0

// Command testpeer is whom the tests of the Python client talk to: a direct server, one
// that wants a secret, and a hub with a Go member, each on a unix socket in the folder
// given and some on TCP. It prints their addresses as one line of JSON and ends with its
// standard input.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/plexus-ipc/plexus"
	"github.com/plexus-ipc/plexus/hub"
	"github.com/plexus-ipc/plexus/session"
)

// secret is what the listeners named "secret" and "peersecret" want.
const secret = "a secret of the tests"

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "testpeer:", err)
		os.Exit(1)
	}
}

func run(dir string) (err error) {
	h := &house{dir: dir, addresses: map[string]string{}}
	defer func() { err = h.close(err) }()
	if err := h.open(); err != nil {
		return err
	}
	line, err := json.Marshal(h.addresses)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// house is all that one test run needs.
type house struct {
	dir       string
	addresses map[string]string
	servers   []*plexus.Server
	member    *plexus.Client
}

func (h *house) open() error {
	if err := h.direct("direct", "unix://"+filepath.Join(h.dir, "direct"), &plexus.ListenOptions{ID: "server"}); err != nil {
		return err
	}
	if err := h.direct("tcp", "tcp://127.0.0.1:0", &plexus.ListenOptions{Session: session.Config{MaxRoutes: 4}}); err != nil {
		return err
	}
	abstract := "unix://@" + strings.ReplaceAll(strings.Trim(h.dir, "/"), "/", "-")
	if err := h.direct("abstract", abstract, nil); err != nil {
		return err
	}
	small := session.Config{MaxMessage: 1 << 20, StreamWindow: 1 << 10, RouteWindow: 1 << 10, MaxCalls: 4}
	if err := h.direct("small", "unix://"+filepath.Join(h.dir, "small"), &plexus.ListenOptions{Session: small}); err != nil {
		return err
	}
	if err := h.direct("secret", "tcp://127.0.0.1:0", &plexus.ListenOptions{Secret: []byte(secret)}); err != nil {
		return err
	}
	if err := h.direct("peersecret", "unix://"+filepath.Join(h.dir, "peersecret"), &plexus.ListenOptions{Secret: []byte(secret)}); err != nil {
		return err
	}
	return h.hub()
}

// direct listens as a server of methods, events and topics.
func (h *house) direct(name, address string, o *plexus.ListenOptions) error {
	srv, err := h.listen(name, address, o)
	if err != nil {
		return err
	}
	return offer(srv, nil)
}

func (h *house) listen(name, address string, o *plexus.ListenOptions) (*plexus.Server, error) {
	srv, err := plexus.Listen(address, o)
	if err != nil {
		return nil, err
	}
	h.servers = append(h.servers, srv)
	h.addresses[name] = srv.Endpoints()[0]
	return srv, nil
}

// hub listens as a hub, of which a Go program is a member that offers what a server does,
// in channel "go".
func (h *house) hub() error {
	srv, err := h.listen("hub", "unix://"+filepath.Join(h.dir, "hub"), &plexus.ListenOptions{Hub: hub.New(hub.Config{ID: "hub"})})
	if err != nil {
		return err
	}
	if err := srv.Bind(context.Background(), "tcp://127.0.0.1:0"); err != nil {
		return err
	}
	for _, e := range srv.Endpoints() {
		if strings.HasPrefix(e, "tcp:") {
			h.addresses["hubtcp"] = e
		}
	}
	h.member, err = plexus.Dial(context.Background(), h.addresses["hub"], &plexus.DialOptions{ID: "gopher"})
	if err != nil {
		return err
	}
	return offer(h.member.Channel("go"), h.member.Channel)
}

func (h *house) close(err error) error {
	if h.member != nil {
		h.member.Close()
	}
	for _, srv := range h.servers {
		if closing := srv.Close(); err == nil {
			err = closing
		}
	}
	return err
}
