// SPDX-License-Identifier: Apache-2.0

// Package memory makes memory that two processes share, such that neither can harm the
// other by it: the object is sealed against every change of size and against being mapped
// writable by anybody but its creator, and its pages exist before it is used, so that a
// lack of memory is an error and not a signal.
package memory

import "errors"

// Causes of failure, found by errors.Is.
var (
	// ErrUnsafe: an object of somebody else lacks a seal, a page or a byte.
	ErrUnsafe = errors.New("shared memory is not safe to map")
	// ErrLimit: the system or a limit of this process denies memory or descriptors.
	ErrLimit = errors.New("no shared memory to be had")
)

// Map is a mapped object. Whoever uses its bytes makes sure that Unmap comes later.
type Map struct{ b []byte }

// Bytes is all of it, valid until Unmap.
func (m *Map) Bytes() []byte { return m.b }

// Len is its length in bytes.
func (m *Map) Len() int { return len(m.b) }
