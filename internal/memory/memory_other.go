// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package memory

import (
	"errors"
	"fmt"
	"runtime"
)

var errHere = fmt.Errorf("sealed memory on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Create is errors.ErrUnsupported on this system.
func Create(string, int) (*Map, int, error) { return nil, -1, errHere }

// Open is errors.ErrUnsupported on this system.
func Open(int, int) (*Map, error) { return nil, errHere }

// Unmap does nothing: there is no Map.
func (m *Map) Unmap() {}

// Supported reports whether Create can work on this system.
func Supported() bool { return false }
