// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"errors"
	"testing"

	"github.com/plexus-ipc/plexus/internal/leak"
	"github.com/plexus-ipc/plexus/operation"
	"github.com/plexus-ipc/plexus/status"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestCheck(t *testing.T) {
	l := operation.Limit{Name: QueuedBytes, Scope: ByUser, Of: "uid:7", Usage: 3, Bound: 3}
	err := Check(l)
	if !errors.Is(err, status.LimitExceeded) || err.Message != "user uid:7 has 3 queued bytes and may have no more" {
		t.Fatal(err)
	}
	if got, ok := Of(err); !ok || got != l {
		t.Fatalf("%+v, %v", got, ok)
	}
	for _, l := range []operation.Limit{{Name: Calls, Usage: 2, Bound: 3}, {Name: Calls, Usage: 9}} {
		if err := Check(l); err != nil {
			t.Error(err)
		}
	}
	for _, err := range []error{
		nil, errors.New("x"), &status.Error{Code: status.LimitExceeded}, &status.Error{Code: status.Failed, Details: err.Details},
		&status.Error{Code: status.LimitExceeded, Details: []byte("{")}, &status.Error{Code: status.LimitExceeded, Details: []byte("{}")},
	} {
		if l, ok := Of(err); ok {
			t.Errorf("%v is %+v", err, l)
		}
	}
}

func TestTop(t *testing.T) {
	if got := Top([]Share{{"a", 1}, {"b", 0}, {"d", 7}, {"c", 7}}, 3); got != "c (7), d (7), a (1)" {
		t.Fatal(got)
	}
	if got := Top([]Share{{"b", 0}}, 3); got != "" {
		t.Fatal(got)
	}
}
