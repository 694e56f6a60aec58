// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package socket

// yield is nil where it has not been measured to help: nobody polls.
var yield func()
