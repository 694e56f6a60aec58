// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/plexus-ipc/plexus/jsonschema"
	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

// The exit codes. exitTable says which status has which.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNobody      = 3
	exitTime        = 4
	exitDenied      = 5
	exitRefused     = 6
	exitLost        = 7
	exitInterrupted = 130
	exitTerminated  = 143
)

// exitRow is one line of the table of exit codes.
type exitRow struct {
	exit    int
	meaning string
	codes   []status.Code
}

// exitTable is the one place that decides. Every status code is in it once.
func exitTable() []exitRow {
	return []exitRow{
		{exitOK, "all went well", []status.Code{status.OK}},
		{exitFailed, "the method itself failed; doctor found a problem, demo a difference, bench nothing to measure", []status.Code{status.Failed, status.Internal}},
		{exitUsage, "wrong command line, value, name, address or file: nothing was sent", nil},
		{exitNobody, "nobody there: no hub, no provider, no such method; a retry is safe", []status.Code{status.Unavailable, status.NoProvider, status.UnknownMethod}},
		{exitTime, "the time was up (--timeout)", []status.Code{status.DeadlineExceeded}},
		{exitDenied, "not allowed: secret, password, user, owner", []status.Code{status.PermissionDenied, status.Locked, status.Unauthenticated, status.NotOwner}},
		{exitRefused, "refused: the other side is there and says no, or cannot", []status.Code{
			status.InvalidArgument, status.Overloaded, status.TooLarge, status.AlreadyExists, status.NotFound, status.Undeclared,
			status.Unimplemented, status.Protocol, status.Busy, status.LimitExceeded, status.Unsupported, status.WrongShape,
			status.Evicted, status.Terminated, status.FailedPrecondition, status.DataLoss,
		}},
		{exitLost, "the other side went away while it was under way: unknown if it took effect", []status.Code{status.PeerGone, status.Closed}},
		{exitInterrupted, "interrupted (SIGINT, Ctrl-C)", []status.Code{status.Cancelled}},
		{exitTerminated, "terminated (SIGTERM)", nil},
	}
}

// exitOf returns the exit code of an error.
func exitOf(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if child, ok := errors.AsType[*exitCode](err); ok {
		return child.code
	}
	if stop, ok := errors.AsType[*interruption](err); ok {
		if stop.sig == syscall.SIGTERM {
			return exitTerminated
		}
		return exitInterrupted
	}
	code := status.CodeOf(err)
	if e, ok := errors.AsType[*status.Error](err); ok && code == status.InvalidArgument && !e.Remote {
		return exitUsage
	}
	for _, row := range exitTable() {
		for _, c := range row.codes {
			if c == code {
				return row.exit
			}
		}
	}
	return exitFailed
}

// usageError is a wrong command line.
type usageError struct{ err error }

// Error says what is wrong with it.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.err }

func usage(err error) error {
	if err == nil || errors.As(err, new(*usageError)) {
		return err
	}
	return &usageError{err}
}

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// fail tells an error on stderr and returns the exit code.
func (a *app) fail(err error) int {
	exit := exitOf(err)
	text := a.sentence(err)
	if a.output == outputJSON {
		code := status.CodeOf(err)
		switch exit {
		case exitUsage:
			code = status.InvalidArgument
		case exitInterrupted, exitTerminated:
			code = status.Cancelled
		}
		told := map[string]any{"code": code.String(), "message": text, "retry_safe": exit == exitUsage || status.Retryable(err)}
		if v, ok := jsonschema.ViolationOf(err); ok {
			told["violation"] = v
		}
		if l, ok := service.LimitOf(err); ok {
			told["limit"] = l
		}
		fmt.Fprintln(a.err, mustJSON(map[string]any{"error": told}))
		return exit
	}
	fmt.Fprintln(a.err, "plexus: "+text)
	return exit
}

// oneLine makes a sentence of several: errors of several causes stand in lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// exitCodesTopic is "plexus help exit-codes".
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Plexus ends with one of these exit codes, which scripts can rely on:\n\n")
	for _, row := range exitTable() {
		fmt.Fprintf(&b, "  %-4d%s\n", row.exit, row.meaning)
	}
	b.WriteString("\nWhich status has which:\n\n")
	for _, row := range exitTable() {
		var names []string
		for _, c := range row.codes {
			names = append(names, c.String())
		}
		if len(names) > 0 {
			fmt.Fprintf(&b, "  %-4d%s\n", row.exit, strings.Join(names, ", "))
		}
	}
	b.WriteString(`
invalid_argument is 2 if it was found here, and 6 if the other side says so. With --output json the error
on stderr is {"error":{"code":"…","message":"…","retry_safe":true}}: retry_safe says
that the operation has certainly not taken effect. Where a value does not fit a schema, the
error has "violation", too: {"pointer":"/a/0","reason":"…","keyword":"type"}; where a limit was hit, it
has "limit": {"limit":"methods","scope":"user","of":"uid:1000","usage":9,"bound":9}.`)
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}
