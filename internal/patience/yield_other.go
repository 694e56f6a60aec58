// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package patience

// canYield is false where it has not been measured to help: nobody polls.
const canYield = false

// Yield does nothing here.
func Yield() {}
