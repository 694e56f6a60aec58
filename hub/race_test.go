// SPDX-License-Identifier: Apache-2.0

//go:build race

package hub_test

// raceEnabled says that the race detector is on, which allocates.
const raceEnabled = true
