// SPDX-License-Identifier: Apache-2.0

//go:build race

package main

// raceEnabled says that the race detector is on, which makes everything slower.
const raceEnabled = true
