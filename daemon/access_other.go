// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package daemon

import "os"

// openOwn opens a regular file. Who may write it is for the permissions of its directory to say.
func openOwn(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if _, err := regular(path, f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
