// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package supervise

import "os"

// ignoreSignals does nothing here.
func ignoreSignals() {}

// askOwnGroup does nothing here.
func askOwnGroup() error { return nil }

// killOwnGroup ends this process: the job ends the others.
func killOwnGroup() {
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Kill()
	}
}
