// SPDX-License-Identifier: Apache-2.0

package stdio

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// takeStreams points os.Stdin and os.Stdout, and the standard handles that children
// inherit, elsewhere.
func takeStreams() (*streams, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	in, out := os.Stdin, os.Stdout
	point := func(i, o *os.File) error {
		os.Stdin, os.Stdout = i, o
		return errors.Join(
			windows.SetStdHandle(windows.STD_INPUT_HANDLE, windows.Handle(i.Fd())),
			windows.SetStdHandle(windows.STD_OUTPUT_HANDLE, windows.Handle(o.Fd())))
	}
	restore := func() error { return errors.Join(point(in, out), null.Close()) }
	if err := point(null, os.Stderr); err != nil {
		return nil, errors.Join(err, restore())
	}
	return &streams{in: in, out: out, restore: restore}, nil
}
