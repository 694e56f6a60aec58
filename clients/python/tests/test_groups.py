# SPDX-License-Identifier: Apache-2.0
"""Several providers of one method, through the hub: both clients."""

from __future__ import annotations

import os
import sys
import threading
import unittest
from typing import Any, Iterator

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer
from peer import PATIENCE

import plexus_ipc
from plexus_ipc import Code, aio


class Blocking(peer.Case):
    def client(self, **options: Any) -> plexus_ipc.Client:
        client = plexus_ipc.connect(peer.address("hub"), timeout=PATIENCE, **options)
        self.addCleanup(client.close)
        return client

    def test_one_after_the_other(self) -> None:
        a, b, c = self.client(id="g-a"), self.client(id="g-b"), self.client()
        a.provide("g1/who", lambda _: "a", group="g", balance="round_robin", capacity=3)
        b.provide("g1/who", lambda _: "b", group="g", capacity=2, idempotent=True)
        self.assertEqual([c.call("g1/who") for _ in range(4)], ["a", "b", "a", "b"])
        method = c.explore("g1", "who")["methods"][0]
        self.assertEqual((method["providers"], method["group"], method["balance"], method["capacity"]), (["g-a", "g-b"], "g", "round_robin", 5))
        self.fails(Code.ALREADY_EXISTS, c.provide, "g1/who", print)
        self.fails(Code.ALREADY_EXISTS, c.provide, "g1/who", print, group="g", balance="sticky")
        self.fails(Code.INVALID_ARGUMENT, c.provide, "g1/other", print, balance="sticky")

    def test_keys(self) -> None:
        providers, c = [self.client(id="g-%d" % i) for i in range(3)], self.client()
        for p in providers:
            def who(_: Any, name: str = p.id) -> str:
                return name

            def whos(_: Any, name: str = p.id) -> Iterator[str]:
                yield name

            p.provide("g2/who", who, group="g", balance="sticky")
            p.provide("g2/whos", whos, group="g", balance="sticky")
        homes = {k: c.call("g2/who", key=str(k)) for k in range(30)}
        self.assertEqual(len(set(homes.values())), 3)
        for k, home in homes.items():
            self.assertEqual(c.call("g2/who", key=str(k), headers={"x": "y"}), home)
            self.assertEqual(list(c.stream("g2/whos", key=str(k))), [home])

    def test_all(self) -> None:
        a, b, c = self.client(id="g-x"), self.client(id="g-y"), self.client()

        def fail(_: Any) -> None:
            raise plexus_ipc.StatusError(Code.FAILED_PRECONDITION, "not now")

        a.provide("g3/ask", lambda v: [v, 1], group="g", balance="all")
        b.provide("g3/ask", fail, group="g", balance="all")
        self.assertEqual(c.call("g3/ask", "v"), [
            {"member": "g-x", "value": ["v", 1]}, {"member": "g-y", "error": {"code": "failed_precondition", "message": "not now"}}])

    def test_another_takes_over(self) -> None:
        owner, a, b, c = self.client(), self.client(), self.client(), self.client()
        owner.join("g4")
        serving = threading.Event()

        def hang(_: Any) -> None:
            serving.set()
            self.assertTrue(plexus_ipc.current().wait_cancelled(PATIENCE))

        a.provide("g4/job", hang, group="g", balance="round_robin", idempotent=True)
        b.provide("g4/job", lambda v: [v, plexus_ipc.current().headers], group="g")
        f = c.call_async("g4/job", 7, headers={"k": "v"})
        self.assertTrue(serving.wait(PATIENCE))
        a.close()
        self.assertEqual(f.result(PATIENCE), [7, {"k": "v", "plexus-attempt": "2"}])


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_group(self) -> None:
        clients = [await aio.connect(peer.address("hub"), timeout=PATIENCE) for _ in range(3)]
        try:
            a, b, c = clients
            await a.provide("g5/who", lambda _: "a", group="g", balance="sticky", capacity=1)
            await b.provide("g5/who", lambda _: "b", group="g", balance="sticky", idempotent=True)
            first = await c.call("g5/who", key="k")
            for _ in range(5):
                self.assertEqual(await c.call("g5/who", key="k"), first)
            self.assertEqual({await c.call("g5/who", key=str(i)) for i in range(30)}, {"a", "b"})
        finally:
            for client in clients:
                await client.close()


if __name__ == "__main__":
    unittest.main()
