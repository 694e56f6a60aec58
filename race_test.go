// SPDX-License-Identifier: Apache-2.0

//go:build race

package plexus_test

// raced: under the race detector pools forget on purpose, so allocations say nothing.
const raced = true
