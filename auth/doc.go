// SPDX-License-Identifier: Apache-2.0

// Package auth is the seam by which the two ends of a connection learn who the other one
// is. A [Mechanism] makes one [Exchange] per connection and role; package session carries
// the exchange's bytes in AUTH frames. Here live the mechanisms "none" ([None]), "peer"
// ([PeerCredentials]), "secret" ([Secret]), their conjunction ([All]), the choice among
// them ([Chain]) and the delay of failed attempts ([Throttle]). Nothing here starts a
// goroutine, reads a clock or does I/O.
//
// # The conversation
//
// It is lockstep and the client speaks first; each side may send at most [MaxStep] bytes
// per message.
//
//	client                                              server
//	Step(nil) ── AUTH{mechanism, data} ───────────────▶ Chain.Accept(mechanism), Step(data)
//	Step(data) ◀─ AUTH{data}, or AUTH{data, done} ───── out; done
//
// The turns repeat until the server is done. Rules for the session:
//
//   - Step is not called on a side that is done; a message to such a side must be empty.
//   - The server's "done" is a claim. The client gives the bytes that came with it to its
//     own exchange, and the session begins only if that one is done as well.
//   - The first error ends the conversation and the connection. An exchange that has
//     failed stays failed, so each guess costs a connection.
//
// # The proof of a secret
//
// Both sides know a secret S (any bytes, at least one; at least 16 random bytes are
// advised) and the transcript hash T (32 bytes, see [Binding]). HMAC is HMAC-SHA256, HKDF
// is RFC 5869 with SHA-256 (extract with T as the salt and S as the input keying material,
// then expand with the info to 32 bytes), ‖ is concatenation; the labels are ASCII
// without quotes or terminating zero.
//
//	client key   = HKDF(ikm: S, salt: T, info: "plexus auth secret v1 client", length: 32)
//	server key   = HKDF(ikm: S, salt: T, info: "plexus auth secret v1 server", length: 32)
//	client proof = HMAC(client key, T)
//	server proof = HMAC(server key, T ‖ client proof)
//
// The client's first message is the client proof, 32 bytes and nothing else. The server
// computes it too, compares, and answers with the server proof, 32 bytes; it is done. The
// client compares; it is done. testdata/vectors.json holds examples, testdata/vectors.py
// is a second implementation and made them.
//
// What it gives: T covers both HELLOs, each with a fresh nonce, and so the lists of
// mechanisms: a recorded proof is worth nothing on another connection, and a mechanism that
// was struck from a list is missed, provided that a secret is proved at all; a Chain's
// Floor sees to that. The roles have keys of their own, so a proof sent
// back to its maker is wrong. Neither side tells the other anything about the secret that
// would help to pretend to be it.
//
// What it does not give: whoever sees or receives a client proof can try secrets on it at
// leisure, so a secret must be random, not memorable. And where the transport does not
// encrypt, somebody in the middle can pass the whole conversation on unchanged and then
// read or alter what follows: across machines, use it inside TLS, whose channel binding is
// part of T.
//
// # Several mechanisms at once
//
// The name of a conjunction is its parts' names, sorted and joined by "+", such as
// "peer+secret". In its messages stand, for each part in that order, a length (u16,
// little-endian) and so many bytes. If all parts are empty, the message is empty. All parts
// start together; one that is done sends and takes empty parts until the others are done.
// "none" and "peer" send nothing.
//
// # Timing
//
// A proof is compared with hmac.Equal on digests of fixed length, whose duration does
// not depend on where they differ. The length is checked first and is public. All
// secrets that a server accepts are tried, whichever fits. How long the derivation takes
// depends on the length of the secret and on nothing else of it.
package auth
