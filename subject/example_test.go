// SPDX-License-Identifier: Apache-2.0

package subject_test

import (
	"fmt"
	"slices"

	"github.com/plexus-ipc/plexus/subject"
)

func ExampleMatch() {
	fmt.Println(subject.Match("quotes.*", "quotes.acme"))
	fmt.Println(subject.Match("quotes.*", "quotes.acme.bid"))
	fmt.Println(subject.Match("quotes.>", "quotes.acme.bid"))
	// Output:
	// true
	// false
	// true
}

func ExampleValidateChannel() {
	fmt.Println(subject.ValidateChannel("math"))
	fmt.Println(subject.ValidateChannel("$logs"))
	fmt.Println(subject.ValidateChannel("a\n2026 INFO admin logged in"))
	// Output:
	// <nil>
	// channel name "$logs": names that begin with '$' are Plexus's own; choose another first character
	// channel name "a\n2026 INFO admin logged in": it holds U+000A, a control character or line separator; remove it
}

func ExampleSplitMethod() {
	channel, method, err := subject.SplitMethod("math/add")
	fmt.Printf("%q %q %v\n", channel, method, err)
	channel, method, err = subject.SplitMethod("status.get")
	fmt.Printf("%q %q %v\n", channel, method, err)
	// Output:
	// "math" "add" <nil>
	// "" "status.get" <nil>
}

func ExampleTrie() {
	var subscribers subject.Trie[string]
	for pattern, who := range map[string]string{"quotes.acme": "ann", "quotes.*": "bob", "news.>": "eve"} {
		if _, err := subscribers.Insert(pattern, who); err != nil {
			fmt.Println(err)
		}
	}
	found := subscribers.Match(nil, "quotes.acme")
	slices.Sort(found)
	fmt.Println(found, subscribers.Len())
	// Output: [ann bob] 3
}
