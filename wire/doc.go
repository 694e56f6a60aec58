// SPDX-License-Identifier: Apache-2.0

// Package wire turns headers and control messages into bytes and back: Append functions
// and Parse functions, no goroutine, no clock, no I/O. docs/protocol.md is its normative
// description, testdata/vectors.json what other languages test themselves against.
//
// A frame is a header of 40 bytes, extensions padded to 8 bytes, and a payload:
//
//	 0        4    5     6     7    8       12      16               24
//	+--------+----+-----+-----+----+-------+-------+----------------+
//	| length |kind|flags|codec|ext | id    | route | source         |
//	+--------+----+-----+-----+----+-------+-------+----------------+
//	| sequence                     | deadline µs   | bits           |
//	+------------------------------+---------------+----------------+
//	24                             32              36               40
//
// All numbers are little-endian. length counts the whole frame, itself included; ext is
// the length of the extensions in words of 8 bytes. What a parse function returns points
// into its input and lives as long as that.
package wire
