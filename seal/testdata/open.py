#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens message.hex as docs/end-to-end.md says, with the package "cryptography" and, for Ed25519ph,
the formulas of RFC 8032. It shares nothing with the Go code."""
import hashlib, hmac, pathlib, struct
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def extract(salt, ikm): return hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()


def expand(prk, info, n):
    t = out = b""
    while len(out) < n:
        t = hmac.new(prk, t + info + bytes([len(out) // 32 + 1]), hashlib.sha256).digest()
        out += t
    return out[:n]


def hkdf(ikm, info, n=32): return expand(extract(b"", ikm), info, n)
def lextract(suite, salt, label, ikm): return extract(salt, b"HPKE-v1" + suite + label + ikm)
def lexpand(suite, prk, label, info, n): return expand(prk, struct.pack(">H", n) + b"HPKE-v1" + suite + label + info, n)


KEM = b"KEM" + struct.pack(">H", 0x20)
HPKE = b"HPKE" + struct.pack(">HHH", 0x20, 1, 2)


def derive_key_pair(ikm):
    return X25519PrivateKey.from_private_bytes(lexpand(KEM, lextract(KEM, b"", b"dkp_prk", ikm), b"sk", b"", 32))


def hpke_open(sk, enc, info, aad, ct):
    pk = sk.public_key().public_bytes_raw()
    dh = sk.exchange(X25519PublicKey.from_public_bytes(enc))
    shared = lexpand(KEM, lextract(KEM, b"", b"eae_prk", dh), b"shared_secret", enc + pk, 32)
    context = b"\0" + lextract(HPKE, b"", b"psk_id_hash", b"") + lextract(HPKE, b"", b"info_hash", info)
    secret = lextract(HPKE, shared, b"secret", b"")
    key = lexpand(HPKE, secret, b"key", context, 32)
    nonce = lexpand(HPKE, secret, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, ct, aad)


P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def mul(s, p):
    q = (0, 1, 1, 0)
    while s:
        if s & 1:
            q = add(q, p)
        p, s = add(p, p), s >> 1
    return q


def point(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert (x * x - x2) % P == 0
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def verify_ph(pub, digest, context, sig):
    dom = b"SigEd25519 no Ed25519 collisions" + bytes([1, len(context)]) + context
    h = int.from_bytes(hashlib.sha512(dom + sig[:32] + pub + digest).digest(), "little") % L
    base = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    a, b = mul(int.from_bytes(sig[32:], "little"), base), add(point(sig[:32]), mul(h, point(pub)))
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def identity(byte):
    seed = bytes([byte]) * 32
    sign = Ed25519PrivateKey.from_private_bytes(hkdf(seed, b"plexus seal v1 sign")).public_key().public_bytes_raw()
    box = derive_key_pair(hkdf(seed, b"plexus seal v1 box"))
    return sign, box, hashlib.sha256(sign + box.public_key().public_bytes_raw()).digest()[:16]


ann, bob = identity(1), identity(2)
m = bytes.fromhex((pathlib.Path(__file__).parent / "message.hex").read_text())
at, names = 52, []
for _ in range(2):
    names.append(m[at + 1:at + 1 + m[at]].decode())
    at += 1 + m[at]
scope, r = m[:at], m[at:at + 16 + 1 + 32 + 48]
header, body = m[:at + len(r)], m[at + len(r):]
assert m[:4] == b"\1\1\1\0" and m[4:20] == ann[2] and r[:16] == bob[2] and r[16] == 1
key = hpke_open(bob[1], r[17:49], b"plexus seal v1 info" + scope, bob[2], r[49:])
plain = AESGCM(key).decrypt(bytes(12), body, header)
signed, sig = plain[:-64], plain[-64:]
assert verify_ph(ann[0], hashlib.sha512(header + signed).digest(), b"plexus seal v1 signature", sig)
print(names, "codec", signed[0], signed[1:].decode())
