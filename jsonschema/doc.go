// SPDX-License-Identifier: Apache-2.0

// Package jsonschema says in JSON Schema (draft 2020-12) what a Go type looks like as JSON,
// bounds the schemas that peers announce, and holds the seam behind which a full validator
// sits: module jsonschema/validate has one, so that the library itself needs none.
//
// A schema is announced with a method (what the caller sends, what it gets) or a topic (what
// is published on it). It travels as JSON, whatever the codec of the values it describes.
package jsonschema
