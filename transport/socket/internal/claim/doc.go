// SPDX-License-Identifier: Apache-2.0

// Package claim decides who may serve a unix socket path: it holds a lock on a sibling
// file for as long as the path is served, and under that lock removes what a crash left
// behind, and nothing else. The rules stand in package socket's description.
package claim
