// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package session_test

// child is for processes that can be stopped by a signal.
func child(string) int { return 1 }
