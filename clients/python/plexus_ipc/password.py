# SPDX-License-Identifier: Apache-2.0
"""The proof that opens a channel: docs/protocol.md, section 15, Passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from typing import Any, Dict, Mapping, Tuple

from .status import Code, StatusError

ITERATIONS = 100_000
_LABEL = b"plexus channel password v1"


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _encode(b: bytes) -> str:
    return base64.b64encode(b).decode()


def derive(password: str, salt: bytes, iterations: int) -> Tuple[bytes, bytes]:
    """The client key and the server key of a password."""
    raw = password.encode()
    if not 0 < len(raw) <= 1024:
        raise StatusError(Code.INVALID_ARGUMENT, "a password has 1 to 1024 bytes")
    if not 16 <= len(salt) <= 64 or not 10_000 <= iterations <= 2_000_000:
        raise StatusError(Code.INVALID_ARGUMENT, "the hub wants a password hashed in a way that is not safe")
    salted = hashlib.pbkdf2_hmac("sha256", raw, salt, iterations, 32)
    return _mac(salted, b"Client Key"), _mac(salted, b"Server Key")


def verifier(password: str) -> Dict[str, Any]:
    """What a hub keeps of a password."""
    salt = secrets.token_bytes(16)
    client, server = derive(password, salt, ITERATIONS)
    return {"salt": _encode(salt), "iterations": ITERATIONS, "stored_key": _encode(hashlib.sha256(client).digest()), "server_key": _encode(server)}


class Exchange:
    """One unlocking: first() and second() are what to send, check() judges the hub's proof."""

    def __init__(self, channel: str, password: str, transcript: bytes, nonce: bytes = b"") -> None:
        self._channel = channel
        self._password = password
        self._transcript = transcript
        self._nonce = nonce or secrets.token_bytes(24)
        self._signature = b""

    def first(self) -> Dict[str, Any]:
        return {"channel": self._channel, "nonce": _encode(self._nonce)}

    def second(self, answer: Mapping[str, Any]) -> Dict[str, Any]:
        """Takes some hundredths of a second."""
        try:
            salt, nonce = base64.b64decode(answer.get("salt") or ""), base64.b64decode(answer.get("nonce") or "")
            iterations = int(answer.get("iterations") or 0)
        except (TypeError, ValueError):
            raise StatusError(Code.PROTOCOL, "the hub's answer to unlock is malformed") from None
        if not 16 <= len(nonce) <= 64:
            raise StatusError(Code.PROTOCOL, "the hub's nonce is too short or too long")
        client, server = derive(self._password, salt, iterations)
        parts = (self._transcript, self._channel.encode(), self._nonce, nonce, salt)
        said = _LABEL + b"".join(struct.pack("<I", len(p)) + p for p in parts) + struct.pack("<I", iterations)
        mask = _mac(hashlib.sha256(client).digest(), said)
        self._signature = _mac(server, said)
        return {**self.first(), "proof": _encode(bytes(a ^ b for a, b in zip(client, mask)))}

    def check(self, answer: Mapping[str, Any]) -> None:
        try:
            proof = base64.b64decode(answer.get("proof") or "")
        except (TypeError, ValueError):
            proof = b""
        if not self._signature or not hmac.compare_digest(proof, self._signature):
            raise StatusError(Code.UNAUTHENTICATED, "the hub does not know the password of channel %s itself" % self._channel)
