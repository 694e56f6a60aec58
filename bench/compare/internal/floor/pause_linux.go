// SPDX-License-Identifier: Apache-2.0

//go:build amd64 || arm64

package floor

// pause tells the core that this is a loop of polls.
func pause()
