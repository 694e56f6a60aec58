// SPDX-License-Identifier: Apache-2.0

// Package layers holds the rules of the repository that a compiler cannot check. It has tests only:
//
//   - imports go down (table_test.go is the table, layers_test.go reads it against every file of the workspace);
//   - the module cut: what `go get` of the library brings with it (modules_test.go);
//   - the mirror: licence lines, init functions, sleeping tests, undocumented names, sizes (mirror_test.go);
//   - the docs: links that lead somewhere, dependencies that are all told (docs_test.go).
//
// Every rule is broken on purpose in testdata, so that a rule that stopped working is seen (broken_test.go).
package layers
