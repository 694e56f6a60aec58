# SPDX-License-Identifier: Apache-2.0
"""A child finds its parent: with a Go hub at the other end, and a lifeline of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer
from peer import PATIENCE

import plexus_ipc
from plexus_ipc import aio, child, endpoint


class ChildTest(peer.Case):
    def setUp(self) -> None:
        super().setUp()
        self._clean()
        self.addCleanup(self._clean)

    def _clean(self) -> None:
        for name in (child.ENDPOINT, child.LIFELINE, child.DIRECTORY):
            os.environ.pop(name, None)

    def handed(self) -> str:
        """A connection with the Go peer, as a descriptor that nobody else knows."""
        with endpoint.parse(peer.address("hub")).connect(PATIENCE) as s:
            return "fd://%d" % os.dup(s.fileno())

    def lifeline(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        os.environ[child.LIFELINE] = str(os.dup(theirs.fileno()))
        theirs.close()
        return ours

    def test_descriptor(self) -> None:
        os.environ[child.ENDPOINT] = self.handed()
        os.environ[child.DIRECTORY] = "/d"
        with self.lifeline() as life, plexus_ipc.parent(["-a"], timeout=PATIENCE) as p:
            self.assertEqual((p.args, p.directory), (["-a"], "/d"))
            self.assertIn("id", p.client.status())
            p.ready()
            p.ready("unix:///s")
            said = b""
            while said.count(b"\n") < 4:
                said += life.recv(100)
            self.assertEqual(said, b"here\nlinked\nready\nready unix:///s\n")
            self.assertFalse(p.wait(0))
            life.shutdown(socket.SHUT_WR)
            self.assertTrue(p.wait(PATIENCE))
            self.assertFalse({child.ENDPOINT, child.LIFELINE, child.DIRECTORY} & set(os.environ))

    def test_argument(self) -> None:
        with plexus_ipc.parent(["x", child.FLAG, self.handed(), "y"], timeout=PATIENCE) as p:
            self.assertEqual(p.args, ["x", "y"])
            self.assertIn("id", p.client.status())
        with plexus_ipc.parent([child.FLAG + "=" + self.handed()], timeout=PATIENCE) as p:
            self.assertEqual(p.args, [])

    def test_lifeline_alone(self) -> None:
        with self.lifeline() as life, plexus_ipc.parent([]) as p:
            with self.assertRaises(plexus_ipc.StatusError):
                p.client
            life.close()
            self.assertTrue(p.wait(PATIENCE))

    def test_nobody(self) -> None:
        with self.assertRaises(plexus_ipc.StatusError) as e:
            plexus_ipc.parent(["--", child.FLAG, "unix:///x"])
        self.assertEqual(e.exception.code, plexus_ipc.Code.FAILED_PRECONDITION)

    def test_asyncio(self) -> None:
        async def run() -> None:
            c = await aio.connect(self.handed(), timeout=PATIENCE)
            self.assertIn("id", await c.status())
            await c.close()

        asyncio.run(run())

    def test_addresses(self) -> None:
        self.assertEqual(str(endpoint.parse("fd://3")), "fd://3")
        for bad in ("fd://2", "fd://x", "fd://", "fd://3/x"):
            with self.assertRaises(plexus_ipc.StatusError):
                endpoint.parse(bad)
