// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package supervise

import (
	"errors"
	"os"
)

// socketPair is not possible on this system.
func socketPair(string) (ours, theirs *os.File, err error) {
	return nil, nil, errors.ErrUnsupported
}
