// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plexus-ipc/plexus/daemon"
	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/status"
	"github.com/plexus-ipc/plexus/transport"
)

// sentence is what the user reads: the cause, and what to do next.
func (a *app) sentence(err error) string {
	e, ok := errors.AsType[*status.Error](err)
	if !ok {
		return oneLine(err.Error())
	}
	if errors.Is(e, transport.ErrNobody) {
		return fmt.Sprintf("no hub at %s: start one with %q", where(err, a.address), a.serveCommand())
	}
	text := oneLine(e.Message)
	if text == "" {
		text = e.Code.String()
	}
	if hint := a.hint(e); hint != "" && !strings.HasSuffix(text, "?") {
		text += ": " + hint
	}
	return text
}

// where returns the address that an error is about.
func where(err error, address string) string {
	if te, ok := errors.AsType[*transport.Error](err); ok {
		return te.Endpoint
	}
	return address
}

func (a *app) serveCommand() string {
	if a.address == daemon.DefaultAddress || a.address == "" {
		return "plexus serve"
	}
	return "plexus serve --listen " + a.address
}

// hint is the next step after an error, "" if its message says it.
func (a *app) hint(e *status.Error) string {
	switch e.Code {
	case status.NoProvider:
		return `offer it with "plexus provide", or see who is there with "plexus members CHANNEL"`
	case status.UnknownMethod:
		return "write channel/method if the method is in a channel of a hub"
	case status.Unauthenticated:
		if e.Remote && strings.Contains(e.Message, "password") {
			return "check that --password-file or PLEXUS_PASSWORD is the channel's password"
		}
		if strings.Contains(e.Message, "token") {
			return "" // it says what is the matter
		}
		return a.secretHint()
	case status.Locked:
		return "give the channel's password with --password-file or PLEXUS_PASSWORD"
	case status.PermissionDenied:
		return a.deniedHint(e)
	case status.DeadlineExceeded:
		return "give it more with " + a.timeFlag
	case status.TooLarge:
		return "the hub's limit is set with --max-message"
	case status.InvalidArgument:
		if _, ok := jsonschema.ViolationOf(e); ok {
			return `"plexus schema" shows what fits`
		}
	case status.Undeclared:
		return `"plexus publish --declare" does`
	case status.Protocol:
		return "is it a Plexus hub that listens at " + a.address + "?"
	case status.WrongShape:
		return `"plexus stream" takes streams, "plexus call" single answers`
	case status.PeerGone:
		return "look whether it took effect before you try again"
	case status.Unsupported:
		return `"plexus version" lists the schemes that there are here`
	case status.AlreadyExists:
		if e.Remote && strings.Contains(e.Message, "provided by") {
			return `see "plexus members CHANNEL"`
		}
	}
	return ""
}

func (a *app) secretHint() string {
	if _, set := a.env("PLEXUS_SECRET"); a.secretFile == "" && !set {
		return "give the hub's secret with --secret-file or PLEXUS_SECRET"
	}
	return "check that --secret-file or PLEXUS_SECRET is the hub's secret"
}

func (a *app) deniedHint(e *status.Error) string {
	switch {
	case strings.Contains(e.Message, "stop"):
		return `start it with "plexus serve --allow-stop", or send SIGTERM to the pid that "plexus status" tells`
	case e.Remote && strings.Contains(e.Message, "runs as"):
		return `start the hub with "plexus serve --allow-uid" for that user`
	}
	return ""
}
