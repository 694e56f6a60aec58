// SPDX-License-Identifier: Apache-2.0

package subject_test

import (
	"strings"
	"testing"

	"github.com/plexus-ipc/plexus/subject"
)

// Of texts that look alike because NFC makes them the same, one can be a name.
func TestOnlyNFC(t *testing.T) {
	for _, c := range []struct{ good, bad string }{
		{"\u00e9", "e\u0301"}, {"\u00c5", "\u212b"}, {"\u03a9", "\u2126"}, {"K", "\u212a"}, {"\u0622", "\u0627\u0653"},
		{"\u0929", "\u0928\u093c"}, {"\u0915\u093c", "\u0958"}, {"\u0995\u09cb", "\u0995\u09c7\u09be"}, {"\u8c48", "\uf900"},
		{"\u05d1\u05b7\u05bc", "\u05d1\u05bc\u05b7"}, {"\u0634\u064e\u0651", "\u0634\u0651\u064e"}, {"\u0622\u0650", "\u0627\u0650\u0653"},
		{"\u4e3d", "\U0002f800"}, {"\u0e01\u0e34\u0e48", ""}, {"\u092e\u0941\u0902\u092c\u0908", ""}, {"\ud55c\uae00", "\u1112\u1161\u11ab"},
	} {
		if err := subject.ValidateTopic(c.good); err != nil {
			t.Errorf("%+q is refused: %v", c.good, err)
		}
		if c.bad == "" {
			continue
		}
		for _, f := range []func(string) error{subject.ValidateTopic, subject.ValidateChannel, subject.ValidateMethod, subject.ValidateMember, subject.ValidatePattern} {
			if err := f("a" + c.bad); err == nil || !strings.Contains(err.Error(), "NFC") {
				t.Errorf("%+q is accepted: %v", c.bad, err)
			}
		}
	}
}
