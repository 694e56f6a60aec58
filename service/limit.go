// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/json"
	"errors"

	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

// LimitOf returns which limit a status.LimitExceeded, status.TooLarge or status.Overloaded is about, how much of it
// is used (0 where that is not known) and how much may be; false if the error is none of these,
// or does not say.
func LimitOf(err error) (l operation.Limit, ok bool) {
	e, ok := errors.AsType[*status.Error](err)
	if !ok || e.Code != status.LimitExceeded && e.Code != status.TooLarge && e.Code != status.Overloaded || len(e.Details) == 0 || json.Unmarshal(e.Details, &l) != nil {
		return operation.Limit{}, false
	}
	return l, l.Name != ""
}
