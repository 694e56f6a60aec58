# SPDX-License-Identifier: Apache-2.0
"""Publications through a hub that are kept, replayed and acknowledged."""

import threading
import unittest

import plexus_ipc
from plexus_ipc import Code

from . import test_aio, test_blocking
from .peer import PATIENCE


class Blocking(test_blocking.Case):
    def test_replay(self) -> None:
        a, b = self.connect("hub"), self.connect("hub")
        a.declare("keep/t", keep=3, keep_age=60)
        for i in range(5):
            a.publish("keep/t", i)
        a.flush(PATIENCE)
        with b.subscribe("keep/t", replay=2) as last, b.subscribe("keep/>", since=30) as fresh, b.subscribe("keep/t") as live:
            a.publish("keep/t", 5)
            got = [last.receive(PATIENCE) for _ in range(3)]
            self.assertEqual([(p.value, p.replayed) for p in got], [(3, True), (4, True), (5, False)])
            self.assertEqual([fresh.receive(PATIENCE).value for _ in range(4)], [2, 3, 4, 5])
            self.assertEqual(live.receive(PATIENCE).value, 5)
            self.assertEqual((last.replayed, fresh.replayed, live.replayed), (2, 3, 0))
        self.fails(Code.INVALID_ARGUMENT, b.subscribe, "keep/t", replay=-1)
        self.fails(Code.INVALID_ARGUMENT, b.subscribe, "keep/t", policy="block", block=3600)
        with b.subscribe("keep/t", policy="block", block=0.01, on_block="drop_newest", queue=5, queue_bytes=1000) as held:
            a.publish("keep/t", 6)
            self.assertEqual(held.receive(PATIENCE).value, 6)

    def test_acknowledged(self) -> None:
        a, b = self.connect("hub", id="pub-a"), self.connect("hub", id="pub-b")
        self.fails(Code.UNDECLARED, a.publish_acknowledged, "ack/t", 1)
        a.declare("ack/t")
        self.assertEqual(a.publish_acknowledged("ack/t", 1), plexus_ipc.Receipt(0, 0))
        self.fails(Code.NOT_OWNER, b.publish_acknowledged, "ack/t", 1)
        a.publish("ack/t", 2)
        a.flush(PATIENCE)  # the hub has it: nobody who subscribes from now on gets it
        with b.subscribe("ack/t") as news:
            late = a.publish_acknowledged("ack/t", 3, timeout=0.2)
            self.assertEqual((late.matched, late.delivered, late.missed), (1, 0, (("pub-b", "deadline"),)))
            self.assertFalse(late.complete)
            heard = []
            reader = threading.Thread(target=lambda: heard.extend(news.receive(PATIENCE) for _ in range(3)))
            reader.start()
            for i in range(4, 6):
                done = a.publish_acknowledged("ack/t", i, timeout=PATIENCE)
                self.assertTrue(done.complete)
                self.assertEqual(done.receivers, ("pub-b",))
            reader.join(PATIENCE)
            self.assertEqual([(p.value, p.sequence) for p in heard], [(3, 3), (4, 4), (5, 5)])

    def test_direct(self) -> None:
        c = self.connect("direct")
        self.fails(Code.UNIMPLEMENTED, c.publish_acknowledged, "news.shared", 1)
        self.fails(Code.UNIMPLEMENTED, c.subscribe, "news.shared", replay=1)
        self.fails(Code.UNIMPLEMENTED, c.subscribe, "news.shared", policy="block")


class Asyncio(test_aio.Case):
    async def test_replay_and_acknowledge(self) -> None:
        a, b = await self.connect("hub"), await self.connect("hub", id="aio-pub-b")
        await a.declare("aio-keep/t", keep=2)
        for i in range(4):
            await a.publish("aio-keep/t", i)
        await a.flush(PATIENCE)
        async with await b.subscribe("aio-keep/t", replay=5) as news:
            self.assertEqual([(await news.receive(PATIENCE)).value for _ in range(2)], [2, 3])
            self.assertEqual(news.replayed, 2)
            late = await a.publish_acknowledged("aio-keep/t", 4, timeout=0.1)
            self.assertEqual(late.missed, (("aio-pub-b", "deadline"),))
            self.assertEqual((await news.receive(PATIENCE)).value, 4)
        self.assertFalse((await a.publish_acknowledged("aio-keep/t", 5, timeout=PATIENCE)).complete)


if __name__ == "__main__":
    unittest.main()
