// SPDX-License-Identifier: Apache-2.0

package auth

import "syscall"

// self returns the user that this process runs as; if Windows does not tell, an account
// that equals none.
func self() account {
	sid, err := ownSID()
	if err != nil {
		sid = ""
	}
	return account{uid: -1, sid: sid}
}

func ownSID() (string, error) {
	token, err := syscall.OpenCurrentProcessToken()
	if err != nil {
		return "", err
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String()
}
