# SPDX-License-Identifier: Apache-2.0
"""The asyncio client against the Go peer: direct, with a secret, and through a hub."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import unittest
from typing import Any, AsyncIterator, Iterator, List

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer
from peer import PATIENCE, SECRET

import plexus_ipc
from plexus_ipc import Code, StatusError, aio


class Case(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        asyncio.get_running_loop().set_debug(False)  # it would tell of every slow moment

    async def connect(self, name: str = "direct", **options: Any) -> aio.Client:
        client = await aio.connect(peer.address(name), timeout=PATIENCE, **options)
        self.addAsyncCleanup(self._close, client)
        return client

    async def _close(self, client: aio.Client) -> None:
        await client.close()
        self.assertEqual(client._link._tasks, set())

    async def fails(self, code: int, work: Any) -> StatusError:
        """Asserts that work fails with a code and returns the error."""
        with self.assertRaises(StatusError) as caught:
            await work
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return caught.exception


async def collect(items: Any) -> List[Any]:
    return [i async for i in items]


class Shared:
    """What holds for a direct peer holds through a hub."""

    at = ""

    async def client(self, **options: Any) -> aio.Client:
        raise NotImplementedError

    def mine(self, name: str) -> str:
        raise NotImplementedError

    async def test_calls(self) -> None:
        c = await self.client()
        self.assertEqual(await c.call(self.at + "add", [20, 22], timeout=PATIENCE), 42)
        self.assertEqual(await c.call(self.at + "echo", b"\0\xff"), b"\0\xff")
        large = os.urandom(1 << 20)
        self.assertTrue(await c.call(self.at + "echo", large) == large)
        sums = await asyncio.gather(*(c.call(self.at + "add", [i, i]) for i in range(200)))
        self.assertEqual(sums, [2 * i for i in range(200)])
        e = await self.fails(Code.OVERLOADED, c.call(self.at + "fail", int(Code.OVERLOADED)))
        self.assertEqual((e.details, e.retryable), (b"details", True))
        e = await c.call(self.at + "envelope", headers={"k": "v"})
        self.assertEqual((e["sender"], e["headers"]), (c.id, {"k": "v"}))

    async def test_long_calls_at_once(self) -> None:
        c = await self.client()
        value = bytes(3_000_000)
        got = await asyncio.gather(*(c.call(self.at + "echo", value) for _ in range(16)))
        self.assertTrue(all(v == value for v in got))

    async def test_cancel_and_deadline(self) -> None:
        c = await self.client()
        task = asyncio.ensure_future(c.call(self.at + "wait"))
        await c.flush(PATIENCE)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertTrue(await c.call(self.at + "gone", timeout=PATIENCE))
        future = c.call_async(self.at + "wait")
        with self.assertRaises(TimeoutError):
            await future.result(0)
        self.assertFalse(future.done())
        future.cancel()
        await self.fails(Code.CANCELLED, future)
        self.assertTrue(await c.call(self.at + "gone", timeout=PATIENCE))
        await self.fails(Code.DEADLINE_EXCEEDED, c.call(self.at + "wait", timeout=0.05))
        self.assertTrue(await c.call(self.at + "gone", timeout=PATIENCE))

    async def test_streams(self) -> None:
        c = await self.client()
        self.assertEqual(await collect(c.stream(self.at + "count", 5000)), list(range(5000)))
        upload = await c.client_stream(self.at + "sum", items=range(5000))
        self.assertEqual(await upload.result(), sum(range(5000)))
        async with c.duplex(self.at + "double") as both:
            for i in range(100):
                await both.send(i)
                self.assertEqual(await both.__anext__(), 2 * i)
            both.close_send()
            self.assertEqual(await collect(both), [])
            self.assertIsNone(await both.result())
        async with c.stream(self.at + "forever", 1000) as stream:
            self.assertEqual(len(await stream.__anext__()), 1000)
        self.assertTrue(await c.call(self.at + "gone", timeout=PATIENCE))
        await self.fails(Code.WRONG_SHAPE, collect(c.stream(self.at + "add", [1, 2])))

    async def test_both_ways_at_once(self) -> None:
        c = await self.client()
        async with c.duplex(self.at + "double") as both:

            async def send() -> None:
                for i in range(20_000):
                    await both.send(i)
                both.close_send()

            sender = asyncio.ensure_future(send())
            self.assertEqual(len(await collect(both)), 20_000)
            await sender

    async def test_provide(self) -> None:
        c = await self.client()
        seen: List[Any] = []

        async def mul(pair: List[int]) -> int:
            await asyncio.sleep(0)
            seen.append(plexus_ipc.current().method)
            return pair[0] * pair[1]

        async def fail(_: Any) -> None:
            raise StatusError(Code.NOT_OWNER, "told so")

        registration = await c.provide(self.mine("mul"), mul)
        await c.provide(self.mine("plain"), lambda v: v)
        await c.provide(self.mine("fail"), fail)
        ask = self.at + "call"
        self.assertEqual(await c.call(ask, {"method": self.mine("mul"), "value": [6, 7]}), 42)
        self.assertEqual(seen, ["mul"])
        self.assertEqual(await c.call(ask, {"method": self.mine("plain"), "value": "x" * (1 << 20)}), "x" * (1 << 20))
        await self.fails(Code.NOT_OWNER, c.call(ask, {"method": self.mine("fail")}))
        await registration.close()
        missing = Code.NO_PROVIDER if self.at else Code.UNKNOWN_METHOD
        await self.fails(missing, c.call(ask, {"method": self.mine("mul"), "value": [6, 7]}))

    async def test_provide_streams(self) -> None:
        c = await self.client()

        async def upto(n: int) -> AsyncIterator[int]:
            for i in range(n):
                yield i

        def plain(n: int) -> Iterator[int]:
            yield from range(n)

        async def total(_: Any, items: AsyncIterator[int]) -> int:
            return sum([i async for i in items])

        async def negate(_: Any, items: AsyncIterator[int]) -> AsyncIterator[int]:
            async for i in items:
                yield -i

        await c.provide(self.mine("upto"), upto)
        await c.provide(self.mine("plain"), plain)
        await c.provide(self.mine("total"), total, shape="client_stream")
        await c.provide(self.mine("negate"), negate, shape="duplex")
        for name in ("upto", "plain"):
            self.assertEqual(await c.call(self.at + "collect", {"method": self.mine(name), "value": 3000}), list(range(3000)))
        self.assertEqual(await c.call(self.at + "upload", {"method": self.mine("total"), "n": 3000}), sum(range(3000)))
        self.assertEqual(await c.call(self.at + "talk", {"method": self.mine("negate"), "n": 50}), [-i for i in range(50)])

    async def test_cancel_of_the_peer_reaches_the_handler(self) -> None:
        c = await self.client()
        cancelled = asyncio.Event()

        async def hang(_: Any) -> None:
            try:
                await c.call(self.at + "release")
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        await c.provide(self.mine("hang"), hang)
        self.assertEqual(await c.call(self.at + "abandon", {"method": self.mine("hang")}), "cancelled")
        await asyncio.wait_for(cancelled.wait(), PATIENCE)

    async def test_publish_and_subscribe(self) -> None:
        c = await self.client()
        async with await c.subscribe(self.at + "news.*") as news:
            await c.publish(self.at + "news.shared", {"n": 1})
            got = await news.receive(PATIENCE)
            self.assertEqual((got.topic, got.value), ("news.shared", {"n": 1}))
            await c.call(self.at + "publish", {"topic": "news.own", "n": 1000})
            self.assertEqual([(await news.receive(PATIENCE)).value for _ in range(1000)], list(range(1, 1001)))
            with self.assertRaises(TimeoutError):
                await news.receive(0)
        self.assertEqual(await collect(news), [])
        await self.fails(Code.NOT_OWNER, c.publish(self.at + "news.own", 1))
        await self.fails(Code.UNDECLARED, c.publish(self.at + "nobody.declared", 1))

    async def test_gaps(self) -> None:
        c = await self.client()
        n = 30_000
        async with await c.subscribe(self.at + "news.own", queue=10) as news:
            await c.call(self.at + "publish", {"topic": "news.own", "n": n})
            seen = 1
            while (await news.receive(PATIENCE)).value != n:
                seen += 1
            self.assertEqual(seen + news.dropped, n)

    async def test_events(self) -> None:
        c = await self.client()
        got: List[Any] = []
        enough = asyncio.Event()

        async def tick(e: plexus_ipc.Event) -> None:
            got.append(e.value)
            if len(got) == 1000:
                enough.set()

        c.on_event(self.mine("tick"), tick)
        if c.hub:
            await c.join(self.mine("x").partition("/")[0])
        await c.call(self.at + "send", {"method": self.mine("tick"), "n": 1000, "target": c.id})
        await asyncio.wait_for(enough.wait(), PATIENCE)
        self.assertEqual(got, list(range(1000)))


class Direct(Shared, Case):
    async def client(self, **options: Any) -> aio.Client:
        return await self.connect("direct", **options)

    def mine(self, name: str) -> str:
        return name

    async def test_unix_and_tcp(self) -> None:
        for name in ("abstract", "tcp"):
            c = await self.connect(name)
            self.assertEqual(await c.call("add", [1, 2]), 3)

    async def test_secret(self) -> None:
        for name in ("secret", "peersecret"):
            c = await self.connect(name, secret=SECRET)
            self.assertEqual(await c.call("add", [1, 2]), 3)
            await self.fails(Code.UNAUTHENTICATED, self.connect(name))
        await self.fails(Code.UNAUTHENTICATED, self.connect("secret", secret="wrong"))

    async def test_small_limits(self) -> None:
        c = await self.connect("small")
        upload = await c.client_stream("sum", items=range(500))
        self.assertEqual(await upload.result(), sum(range(500)))
        async with await c.subscribe("news.shared") as news:
            for _ in range(100):
                await c.publish("news.shared", "x" * 500)
            self.assertEqual(len([await news.receive(PATIENCE) for _ in range(100)]), 100)

    async def test_cut(self) -> None:
        c = await self.client()
        waiting = c.call_async("wait")
        await self.fails(Code.PEER_GONE, c.call("cut"))
        self.assertFalse((await self.fails(Code.PEER_GONE, waiting)).retryable)
        self.assertTrue(await c.wait_closed(PATIENCE))
        self.assertTrue((await self.fails(Code.PEER_GONE, c.call("add", [1, 2]))).retryable)

    async def test_close(self) -> None:
        async with await aio.connect(peer.address("direct")) as c:
            waiting = c.call_async("wait")
        await self.fails(Code.CLOSED, waiting)
        await self.fails(Code.CLOSED, c.call("add", [1, 2]))

    async def test_close_loses_nothing(self) -> None:
        watcher = await self.client()
        async with await watcher.subscribe("news.shared", queue=60_000) as news:
            async with await aio.connect(peer.address("direct")) as c:
                for i in range(2000):
                    await c.publish("news.shared", ["last words", i])
            self.assertEqual([(await news.receive(PATIENCE)).value[1] for _ in range(2000)], list(range(2000)))

    async def test_nobody_there(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            await self.fails(Code.UNAVAILABLE, aio.connect("unix://%s/nobody" % folder))


class Hub(Shared, Case):
    at = "go/"

    async def client(self, **options: Any) -> aio.Client:
        return await self.connect("hub", **options)

    def mine(self, name: str) -> str:
        return "aio-%s/%s" % (self.id().rpartition(".")[2], name)

    async def test_schemas(self) -> None:
        a, b = await self.client(id="aio-teller"), await self.client()
        await a.provide("room6/square", lambda n: n * n, schema={"output": {"type": "number"}})
        await a.declare("room6/news", schema={"type": "string"})
        told = await b.explore("room6")
        self.assertEqual((told["methods"][0]["output"], told["topics"][0]["schema"]), ({"type": "number"}, {"type": "string"}))
        self.assertEqual(await b.call("room6/square", 3), 9)

    async def test_between_python_programs(self) -> None:
        a, b = await self.client(id="aio-a"), await self.client(id="aio-b")

        async def who(value: Any) -> Any:
            return [value, plexus_ipc.current().sender]

        await a.provide("aio-room/who", who)
        self.assertEqual(await b.call("aio-room/who", 1), [1, "aio-b"])
        self.assertEqual([m["id"] for m in await b.members("aio-room")], ["aio-a"])
        await a.declare("aio-room/t", shared=True)
        async with await a.subscribe("aio-room/>") as news:
            await b.publish("aio-room/t", b"x")
            got = await news.receive(PATIENCE)
            self.assertEqual((got.sender, got.value), ("aio-b", b"x"))


if __name__ == "__main__":
    unittest.main()
