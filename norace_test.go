// SPDX-License-Identifier: Apache-2.0

//go:build !race

package plexus_test

const raced = false
