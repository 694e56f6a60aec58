// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package socket_test

func child() int { return 0 }
