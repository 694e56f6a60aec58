// SPDX-License-Identifier: Apache-2.0

package service_test

import (
	"errors"
	"testing"
	"time"

	"github.com/plexus-ipc/plexus/service"
	"github.com/plexus-ipc/plexus/status"
)

func TestRetryAfter(t *testing.T) {
	for details, want := range map[string]time.Duration{
		"": 0, "nonsense": 0, `{"retry_after_seconds":-1}`: 0, `{"retry_after_seconds":1.5}`: 1500 * time.Millisecond, `{"retry_after_seconds":1e300}`: 24 * time.Hour,
		`{"pointer":"/a"}`: 0,
	} {
		if got := service.RetryAfter(&status.Error{Code: status.LimitExceeded, Details: []byte(details)}); got != want {
			t.Errorf("%q: %v, not %v", details, got, want)
		}
	}
	if service.RetryAfter(nil) != 0 || service.RetryAfter(errors.New("x")) != 0 {
		t.Fatal("an error without details asks to wait")
	}
}
