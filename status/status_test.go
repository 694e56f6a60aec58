// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"testing"

	"github.com/plexus-ipc/plexus/status"
)

func TestErrorsIsByCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		is   error
		want bool
	}{
		{status.Errorf(status.NoProvider, "nobody"), status.NoProvider, true},
		{fmt.Errorf("call: %w", status.Errorf(status.NoProvider, "nobody")), status.NoProvider, true},
		{status.Errorf(status.NoProvider, "nobody"), status.PeerGone, false},
		{status.Errorf(status.Cancelled, ""), context.Canceled, true},
		{status.Errorf(status.DeadlineExceeded, ""), context.DeadlineExceeded, true},
		{status.Errorf(status.Closed, ""), net.ErrClosed, true},
		{status.Errorf(status.Unimplemented, ""), errors.ErrUnsupported, true},
		{status.Errorf(status.PermissionDenied, ""), fs.ErrPermission, true},
		{status.Errorf(status.PeerGone, ""), net.ErrClosed, false},
		{status.Errorf(status.Failed, "read: %w", fs.ErrNotExist), fs.ErrNotExist, true},
	} {
		if got := errors.Is(c.err, c.is); got != c.want {
			t.Errorf("errors.Is(%v, %v) = %v", c.err, c.is, got)
		}
	}
}

func TestCodeOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want status.Code
	}{
		{nil, status.OK},
		{errors.New("x"), status.Failed},
		{status.Busy, status.Busy},
		{fmt.Errorf("x: %w", status.Errorf(status.Busy, "y")), status.Busy},
		{context.Canceled, status.Cancelled},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), status.DeadlineExceeded},
		{net.ErrClosed, status.Closed},
	} {
		if got := status.CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %v, want %v", c.err, got, c.want)
		}
		if e := status.Convert(c.err); c.err != nil && e.Code != c.want {
			t.Errorf("Convert(%v) has %v", c.err, e.Code)
		}
	}
	if status.Convert(nil) != nil {
		t.Error("Convert(nil) is not nil")
	}
}

func TestRetryable(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{status.NoProvider, true},
		{status.PeerGone, false},
		{&status.Error{Code: status.PeerGone, Retry: status.RetrySafe}, true},
		{&status.Error{Code: status.Busy, Retry: status.RetryUnsafe}, false},
		{errors.New("x"), false},
	} {
		if got := status.Retryable(c.err); got != c.want {
			t.Errorf("Retryable(%v) = %v", c.err, got)
		}
	}
}

func TestEveryCodeHasAName(t *testing.T) {
	seen := map[string]bool{}
	for i := range status.Count {
		name := status.Code(i).String()
		if name == "" || seen[name] {
			t.Errorf("code %d is named %q", i, name)
		}
		seen[name] = true
		var c status.Code
		if err := c.UnmarshalText([]byte(name)); err != nil || c != status.Code(i) {
			t.Errorf("%q is read as %v, %v", name, c, err)
		}
	}
	if got := status.Code(999).String(); got != "code_999" {
		t.Error(got)
	}
	if err := new(status.Code).UnmarshalText([]byte("nonsense")); !errors.Is(err, status.InvalidArgument) {
		t.Error(err)
	}
}

func ExampleErrorf() {
	err := fmt.Errorf("loading: %w", status.Errorf(status.NotFound, "no user %d", 7))
	fmt.Println(err)
	fmt.Println(errors.Is(err, status.NotFound), status.Retryable(err))
	// Output:
	// loading: not_found: no user 7
	// true false
}
