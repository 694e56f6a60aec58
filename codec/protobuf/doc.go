// SPDX-License-Identifier: Apache-2.0

// Package protobuf is the Protocol Buffers codec of Plexus: google.golang.org/protobuf
// behind the contract of package codec.
//
// It carries proto.Message only: Append takes a message, or a pointer to one; Decode fills a
// message, or makes one where v points to a nil pointer to a message type, so that
// codec.For[*pb.Thing] works. Anything else is Unsupported, an any included, as the bytes do
// not say what they are.
//
// Encoding is deterministic within one binary, in the sense of proto.MarshalOptions. Unknown
// fields are kept. Lazy decoding is off, so that errors appear in Decode and nothing refers
// to its input. The end of a message is the end of the bytes: some cut messages are valid.
//
// Messages may be nested 100 levels, the limit of the implementations in C++ and Java, and
// not codec.MaxDepth: one level of JSON in a google.protobuf.Struct takes three levels of
// messages, so that 100 here is what 32 is to JSON. The limit is not checked when encoding;
// a message that contains itself ends the program, as in any use of the library.
package protobuf
