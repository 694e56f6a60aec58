// SPDX-License-Identifier: Apache-2.0

// Package noise is the transport for noise+tcp addresses: TCP whose bytes are encrypted and
// authenticated by the Noise Protocol Framework, for those to whom certificates are a burden.
//
//	key, err := noise.ParseKey(text)            // made by noise.GenerateKey or "plexus noise keygen --shared"
//	driver, err := noise.New(socket.TCP(), noise.Config{Shared: key})
//	set := plexusSet.With(driver)
//
// There are two ways to know the other side, and both may be used at once:
//
//   - a shared key of 256 bits (Config.Shared): whoever has it is let in, and nobody is told
//     from another. Noise_NNpsk0_25519_AESGCM_SHA256.
//   - a key pair on each side (Config.Private): the dialler knows the listener's public key,
//     the listener decides which public keys it takes, and the name of the peer is
//     "noise:" and the fingerprint of its key. Noise_XK_25519_AESGCM_SHA256, with a shared
//     key as well Noise_XKpsk0_….
//
// Keys are generated, never chosen: who has seen one handshake under a chosen password
// could try passwords at home. docs/noise.md has the bytes, docs/adr/0010 the reasons.
//
// # Limits
//
// Nothing but the preamble, eight bytes that are the same for everybody, travels in the clear. Until a
// peer has proved itself this side reads no more than 124 bytes of it, and it is cut after Config.HandshakeTimeout. A connection that ends without the peer's
// authenticated goodbye ends with io.ErrUnexpectedEOF. Each direction gets a new key
// after 65,536 records, and ends for good after 2^48.
package noise
