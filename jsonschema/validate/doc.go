// SPDX-License-Identifier: Apache-2.0

// Package validate holds the full validator for JSON Schema behind jsonschema.Validator. It
// is a module of its own, because it stands on a library.
//
// Schemas and values both come from peers, and neither may hurt: nothing is ever fetched,
// regular expressions are bounded in size and cannot backtrack, and each judgement has a
// budget of work, beyond which it ends with status.LimitExceeded. A panic in the library
// is that judgement's error, not the process's end.
package validate
