// SPDX-License-Identifier: Apache-2.0

// Package token has the mechanism "token": a signed statement of who somebody is and what he
// may do at a hub, which the hub checks with the issuer's public key alone, and which its
// holder can narrow, offline, for somebody else. [Issuer] makes tokens, [Token.Attenuate]
// narrows one, [Holder] is the mechanism of the client and [Verifier] that of the server.
//
// # A token
//
// A token is a chain of one to [MaxBlocks] blocks and the private key that the last block
// names. Each block names a new public key and is signed with the key that the block before
// it names, the first one with the issuer's. So whoever has the private key can add a block,
// and nobody else; and nobody can take one away, for he would need the key of the block that
// is then the last. A block only narrows: it may end earlier, begin later, name fewer hubs,
// and its rights must be covered by those of the block before it. A block may be sealed:
// nothing follows it.
//
// The private key never travels. Who connects sends the blocks and a signature, by that key,
// of the connection's transcript: a recorded conversation is worth nothing on another one.
//
// # Bytes
//
// Numbers are little-endian; times are seconds since 1970 as i64; Ed25519 is that of RFC
// 8032, keys have 32 bytes (of private ones, the seed), signatures 64.
//
//	text      = "plexus_v1_" base64url(blocks ‖ seed), without padding
//	blocks    = u8 number, then so many: u16 length ‖ body ‖ signature
//	body      = u8 flags ‖ next public key
//	            ‖ [first block: issuer's public key ‖ issued at ‖ string subject]
//	            ‖ [flag 1: not before] ‖ [flag 2: not after]
//	            ‖ [flag 4: u8 number, then so many strings: audience]
//	            ‖ [flag 8: u8 number, then so many rights]
//	right     = u16 verbs ‖ string channel ‖ string name
//	string    = u8 length ‖ so many bytes of UTF-8
//
// Flag 16 says that the block is sealed. The first block must have flag 8: it has rights, and
// these are a bound. Bits of verbs, from the lowest: join, provide, call, declare, publish,
// subscribe, own, administer; the highest, 32768, is "*". Other bits and flags are refused.
// No byte may follow. A token has one form: what Parse accepts is what it would write.
//
//	H(0)      = 32 zero bytes;  H(n) = SHA-256(H(n-1) ‖ body(n) ‖ signature(n))
//	signature = Ed25519(key, "plexus token block v1" ‖ H(n-1) ‖ body(n))
//	id        = the first 16 bytes of H(n), in hex: of the token as of block n
//	proof     = Ed25519(last key, "plexus token proof v1" ‖ transcript ‖ SHA-256(blocks))
//
// The client's only message is u16 length of blocks ‖ blocks ‖ proof. The server sends
// nothing and is done. testdata/vectors.json holds examples.
//
// # What it does not give
//
// The server proves nothing by this mechanism: whoever listens at the address learns the
// blocks, which are no secret, and may pretend to be the hub. Combine it, by auth.All or a
// Floor: "secret+token", "tls+token"; or rely on the user that a unix address belongs to.
// Where the transport does not encrypt, somebody in the middle can pass the conversation on
// and read or alter what follows. Who gives a token away gives its rights away.
package token
