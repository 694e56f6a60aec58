# SPDX-License-Identifier: Apache-2.0
"""Makes vectors.json: python3 vectors.py > vectors.json

A second implementation of the proofs of mechanism "secret", from the words of the
package comment and the standard library alone.
"""

import hashlib
import hmac
import json


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def hkdf(secret, salt, info):
    """RFC 5869 with SHA-256, for one block of 32 bytes."""
    return mac(mac(salt, secret), info + b"\x01")


def proofs(secret, transcript):
    client_key = hkdf(secret, transcript, b"plexus auth secret v1 client")
    server_key = hkdf(secret, transcript, b"plexus auth secret v1 server")
    client = mac(client_key, transcript)
    return client, mac(server_key, transcript + client)


def vector(comment, secret, transcript):
    client, server = proofs(secret, transcript)
    return {
        "comment": comment,
        "secret": secret.hex(),
        "transcript": transcript.hex(),
        "client_proof": client.hex(),
        "server_proof": server.hex(),
    }


COUNTING = bytes(range(32))
HASHED = hashlib.sha256(b"plexus").digest()

print(json.dumps([
    vector("32 bytes", bytes(range(32, 64)), COUNTING),
    vector("the same secret on another connection", bytes(range(32, 64)), HASHED),
    vector("one byte", b"\x00", HASHED),
    vector("text in UTF-8", "grüße aus der küche".encode(), HASHED),
    vector("longer than a block of SHA-256", b"\xa5" * 100, HASHED),
    vector("transcript of ones", b"correct horse battery staple", b"\xff" * 32),
], indent=2))
