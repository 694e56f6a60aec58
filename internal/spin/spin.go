// SPDX-License-Identifier: Apache-2.0

// Package spin has the two ways to wait a moment without going to sleep: Pause keeps the
// core, Yield offers it to another thread of the machine.
package spin
