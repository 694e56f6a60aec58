#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the test vectors of docs/noise.md: Noise written down once more, from the
specification, with the package "cryptography". It shares nothing with the Go code."""
import hashlib, hmac, struct
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey as Private, X25519PublicKey as Public
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Key:
    def __init__(self, byte):
        self.k = Private.from_private_bytes(bytes([byte]) * 32)
        self.pub = self.k.public_key().public_bytes_raw()

    def dh(self, pub):
        return self.k.exchange(Public.from_public_bytes(pub))


def h(b): return hashlib.sha256(b).digest()
def mac(k, b): return hmac.new(k, b, hashlib.sha256).digest()


def hkdf(ck, ikm, n):
    t, out = mac(ck, ikm), [b""]
    for i in range(n):
        out.append(mac(t, out[-1] + bytes([i + 1])))
    return out[1:]


class Symmetric:
    def __init__(self, name, prologue):
        self.h = name.ljust(32, b"\0") if len(name) <= 32 else h(name)
        self.ck, self.k, self.n = self.h, None, 0
        self.mix_hash(prologue)

    def mix_hash(self, b): self.h = h(self.h + b)

    def mix_key(self, ikm):
        self.ck, self.k = hkdf(self.ck, ikm, 2)
        self.n = 0

    def mix_key_and_hash(self, ikm):
        self.ck, t, self.k = hkdf(self.ck, ikm, 3)
        self.mix_hash(t)
        self.n = 0

    def seal(self, p):
        if self.k is None:
            c = p
        else:
            c = AESGCM(self.k).encrypt(struct.pack(">4xQ", self.n), p, self.h)
            self.n += 1
        self.mix_hash(c)
        return c


def conversation(pattern, shared, client, server):
    name = (pattern + ("psk0" if shared else "")).encode()
    preamble = b"plxnois" + bytes([0x11 if pattern == "NN" else 0x12])
    s = Symmetric(b"Noise_" + name + b"_25519_AESGCM_SHA256", preamble)
    e, re = Key(4), Key(5)

    def ephemeral(k):
        s.mix_hash(k.pub)
        if shared:
            s.mix_key(k.pub)
        return k.pub

    if pattern == "XK":
        s.mix_hash(server.pub)
    if shared:
        s.mix_key_and_hash(shared)
    first = ephemeral(e)
    if pattern == "XK":
        s.mix_key(e.dh(server.pub))
    first += s.seal(b"")
    second = ephemeral(re)
    s.mix_key(re.dh(e.pub))
    second += s.seal(b"")
    messages = [preamble + struct.pack(">H", len(first)) + first, struct.pack(">H", len(second)) + second]
    if pattern == "XK":
        third = s.seal(client.pub)
        s.mix_key(client.dh(re.pub))
        third += s.seal(b"")
        messages[0] += struct.pack(">H", len(third)) + third
    k1, _ = hkdf(s.ck, b"", 2)
    record = AESGCM(k1).encrypt(bytes(12), b"hello", b"")
    return messages + [s.h, struct.pack(">H", len(record)) + record]


psk = bytes([1]) * 32
for title, args in {
    "NNpsk0": ("NN", psk, None, None),
    "XK": ("XK", None, Key(2), Key(3)),
    "XKpsk0": ("XK", psk, Key(2), Key(3)),
}.items():
    print(f"\n{title}:\n")
    for what, b in zip(("the dialler sends", "the listener sends", "hash of the handshake", "first record of the dialler, `hello`"), conversation(*args)):
        print(f"- {what}: `{b.hex()}`")
