// SPDX-License-Identifier: Apache-2.0

//go:build unix && race

package supervise_test

const raceEnabled = true
