// SPDX-License-Identifier: Apache-2.0

// Package doccheck keeps what README and docs show equal to what is compiled and run. It has tests only:
//
//   - a code block below "<!-- from: path -->" is that file, below "<!-- from: path#Name -->" that declaration of it;
//     in README and the quick start every Go and Python block is (blocks_test.go);
//   - commands name verbs, flags and examples that exist (commands_test.go);
//   - each example is in README, each function of the facade in a compiled example (coverage_test.go).
//
// Every rule is broken on purpose in broken_test.go, so that a rule that stopped working is seen.
package doccheck
