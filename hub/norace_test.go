// SPDX-License-Identifier: Apache-2.0

//go:build !race

package hub_test

const raceEnabled = false
