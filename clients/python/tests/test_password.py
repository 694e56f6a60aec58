# SPDX-License-Identifier: Apache-2.0
"""Passwords of channels: the proof, and both clients against the Go hub."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import unittest
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer
from peer import PATIENCE

import plexus_ipc
from plexus_ipc import Code, aio, password


class Passwords(peer.Case):
    def connect(self, **options: Any) -> plexus_ipc.Client:
        client = plexus_ipc.connect(peer.address("hub"), timeout=PATIENCE, **options)
        self.addCleanup(client.close)
        return client

    def test_vector(self) -> None:
        x = password.Exchange("vault", "correct horse", hashlib.sha256(b"t").digest(), b"client nonce 0123")
        encode = password._encode
        said = x.second({"salt": encode(b"salt 0123456789a"), "iterations": 10_000, "nonce": encode(b"hub nonce 0123456")})
        self.assertEqual(said["proof"], encode(bytes.fromhex("9f90d5c0984a6ab256e652d7f933a97d43fdef29d7fec1fa7b6dbc7b89474365")))
        x.check({"proof": encode(bytes.fromhex("0cedd959d77f3c169251eaa1cc0e6f34b6ccf136febd5bc0b33bb6db6108571d"))})
        self.fails(Code.UNAUTHENTICATED, x.check, {"proof": encode(bytes(32))})
        self.fails(Code.INVALID_ARGUMENT, x.second, {"salt": encode(bytes(16)), "iterations": 1, "nonce": encode(bytes(16))})
        self.fails(Code.PROTOCOL, x.second, {"salt": 5})

    def test_channel(self) -> None:
        owner, guest = self.connect(), self.connect()
        owner.set_password("py-vault", "first")
        owner.provide("py-vault/echo", lambda v: v)
        self.fails(Code.LOCKED, guest.call, "py-vault/echo", 1)
        self.fails(Code.UNAUTHENTICATED, guest.unlock, "py-vault", "wrong")
        guest.unlock("py-vault", "first")
        self.assertEqual(guest.call("py-vault/echo", 1, timeout=PATIENCE), 1)
        owner.set_password("py-vault", "second")
        self.fails(Code.LOCKED, guest.call, "py-vault/echo", 1)
        other = self.connect(passwords={"py-vault": "second"})
        self.assertEqual(other.call("py-vault/echo", 2, timeout=PATIENCE), 2)
        self.fails(Code.NOT_OWNER, other.set_password, "py-vault", "mine")
        owner.set_password("py-vault", None)
        self.assertEqual(guest.call("py-vault/echo", 3, timeout=PATIENCE), 3)

    def test_aio(self) -> None:
        async def run() -> None:
            async with await aio.connect(peer.address("hub"), timeout=PATIENCE) as owner:
                await owner.set_password("aio-vault", "secret")
                async with await aio.connect(peer.address("hub"), passwords={"aio-vault": "secret"}, timeout=PATIENCE) as guest:
                    self.assertEqual(len(await guest.members("aio-vault")), 1)

        asyncio.run(run())


if __name__ == "__main__":
    unittest.main()
