# SPDX-License-Identifier: Apache-2.0
"""Authentication of the dialling side: docs/protocol.md, sections 4.2 to 4.4."""

from __future__ import annotations

import hashlib
import hmac
import struct
from typing import List, Optional, Sequence

from .status import Code, StatusError


def transcript(client: bytes, server: bytes, binding: bytes = b"") -> bytes:
    parts = b"".join(struct.pack("<I", len(part)) + part for part in (client, server, binding))
    return hashlib.sha256(b"plexus transcript v1" + parts).digest()


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _key(secret: bytes, salt: bytes, label: bytes) -> bytes:
    """HKDF of RFC 5869 for one block."""
    return _mac(_mac(salt, secret), label + b"\x01")


def client_proof(secret: bytes, digest: bytes) -> bytes:
    return _mac(_key(secret, digest, b"plexus auth secret v1 client"), digest)


def server_proof(secret: bytes, digest: bytes, proof: bytes) -> bytes:
    return _mac(_key(secret, digest, b"plexus auth secret v1 server"), digest + proof)


def mechanisms(secret: Optional[bytes]) -> List[str]:
    """What a client has at hand, best first. With a secret it insists on one."""
    return ["peer", "none"] if secret is None else ["peer+secret", "secret"]


def select(have: Sequence[str], offered: Sequence[str]) -> str:
    for name in have:
        if name in offered:
            return name
    hint = "; give a secret" if any("secret" in o.split("+") for o in offered[:4]) and "secret" not in have else ""
    wants = " or ".join(repr(o[:32]) for o in offered[:4]) or "nothing that is configured"
    raise StatusError(Code.UNAUTHENTICATED, "server requires %s; this client has %s%s" % (wants, " or ".join(have), hint))


class Exchange:
    """One authentication: first() is what to send, check() takes what the server said."""

    def __init__(self, mechanism: str, secret: Optional[bytes], digest: bytes) -> None:
        self._parts = mechanism.split("+")
        self._secret = secret
        self._digest = digest
        self._proof = b""
        self.complete = "secret" not in self._parts

    def first(self) -> bytes:
        if self.complete:
            return b""
        assert self._secret is not None
        self._proof = client_proof(self._secret, self._digest)
        return self._join(self._proof)

    def check(self, data: bytes) -> None:
        """Raises unless data is what a server says that knows the secret."""
        if self.complete:
            if data:
                raise StatusError(Code.PROTOCOL, "the server goes on with an authentication that is complete")
            return
        assert self._secret is not None
        want = self._join(server_proof(self._secret, self._digest, self._proof))
        if not hmac.compare_digest(want, data):
            raise StatusError(Code.UNAUTHENTICATED, "the server has not proved that it knows the secret")
        self.complete = True

    def _join(self, proof: bytes) -> bytes:
        if len(self._parts) == 1:
            return proof
        parts = [proof if name == "secret" else b"" for name in self._parts]
        return b"".join(struct.pack("<H", len(p)) + p for p in parts)
