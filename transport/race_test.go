// SPDX-License-Identifier: Apache-2.0

//go:build race

package transport

// raceEnabled: the race detector empties pools at random.
const raceEnabled = true
