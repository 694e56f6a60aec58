// SPDX-License-Identifier: Apache-2.0

//go:build race

package shm_test

const raceEnabled = true
