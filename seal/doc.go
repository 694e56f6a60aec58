// SPDX-License-Identifier: Apache-2.0

// Package seal signs messages from end to end, and seals them so that the hub carries what
// it cannot read. A Codec of this package stands in the place of another:
//
//	sealed, err := seal.New(seal.Config{
//		Self: me, Ring: ring, Channel: "ward", Name: "admit", To: []string{"records"},
//	})
//	id, err := plexus.Call[int](ctx, ward, "admit", patient, plexus.WithCodec(sealed))
//
// The signature (Ed25519) covers who sent it, for which channel and name, when, its number,
// its receivers and the payload; an answer's covers its request as well. The payload is
// encrypted for each receiver by HPKE (RFC 9180), with X25519 or, against those who
// record today and have a quantum computer tomorrow, with ML-KEM-768 and X25519 together.
//
// A receiver with a Codec takes nothing else: a payload that is not sealed for this channel and name, by
// somebody it knows, lately and for the first time, is an error. Use seal.Signed[T] in the
// place of T to be told who it was.
//
// What stays visible, what is not protected and the bytes are in docs/end-to-end.md.
package seal
