// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise

import (
	"os/signal"
	"syscall"
)

// ignoreSignals lets what ends the group pass by, except SIGKILL.
func ignoreSignals() { signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT) }

// askOwnGroup asks all of the own group to end.
func askOwnGroup() error { return syscall.Kill(0, syscall.SIGTERM) }

// killOwnGroup ends all of the own group, this process too.
func killOwnGroup() { _ = syscall.Kill(0, syscall.SIGKILL) }
