// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package spin

// Pause tells the core that the caller polls memory, so that a sibling thread of the same
// core gets its resources. It takes about 30 to 70 ns.
func Pause()
