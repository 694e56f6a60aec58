// SPDX-License-Identifier: Apache-2.0

package shm_test

// child is what the test binary does as a child process.
func child(verb string) int { return 2 }
