// SPDX-License-Identifier: Apache-2.0

// Package cable gives tests two machines with a cable between them: two network namespaces
// of the kernel, each with a TCP stack of its own, whose packets pass through the test. There
// the cable can be cut, so that no end is told anything, or made slow or narrow. It needs
// Linux and root; a test is skipped where it is not allowed.
package cable
