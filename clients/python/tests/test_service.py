# SPDX-License-Identifier: Apache-2.0
"""Services, failures without a caller and futures, blocking and with asyncio, against the Go peer."""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import unittest
from typing import Any, AsyncIterator, Iterator, List

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer
from peer import PATIENCE

import plexus_ipc
from plexus_ipc import Code, Service, StatusError, aio

HEARD: "queue.Queue[Any]" = queue.Queue()


def calculator() -> Service:
    """A service with a method of every shape, a topic and two listeners."""
    service = Service()

    @service.method
    def add(pair: List[int]) -> int:
        return pair[0] + pair[1]

    @service.method(name="upto")
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    service.method(lambda _, items: sum(items), "total", shape="client_stream")

    @service.method(shape="duplex")
    def negate(_: Any, items: Iterator[int]) -> Iterator[int]:
        for i in items:
            yield -i

    @service.on_event("note")
    def note(e: plexus_ipc.Event) -> None:
        HEARD.put(("note", e.value))

    @service.on_event(">")
    def everything(e: plexus_ipc.Event) -> None:
        HEARD.put(("all", e.name))

    return service


class Places(peer.Case):
    def connect(self, name: str = "hub", **options: Any) -> plexus_ipc.Client:
        client = plexus_ipc.connect(peer.address(name), timeout=PATIENCE, **options)
        self.addCleanup(client.close)
        return client

    def test_direct(self) -> None:
        c = self.connect("direct")
        with c.attach(calculator()):
            self.assertEqual(c.call("call", {"method": "add", "value": [1, 2]}), 3)
            self.assertEqual(c.call("collect", {"method": "upto", "value": 30}), list(range(30)))
            self.assertEqual(c.call("upload", {"method": "total", "n": 30}), sum(range(30)))
            self.assertEqual(c.call("talk", {"method": "negate", "n": 3}), [0, -1, -2])
            c.call("send", {"method": "note", "n": 1})
            self.assertEqual([HEARD.get(timeout=PATIENCE) for _ in range(2)], [("note", 0), ("all", "note")])
        self.fails(Code.UNKNOWN_METHOD, c.call, "call", {"method": "add", "value": [1, 2]})

    def test_hub(self) -> None:
        service = calculator()
        news = service.topic("news", shared=True, schema={"type": "integer"})

        @service.topic("low")
        def low(n: int) -> int:
            return n - 1

        a, b = self.connect(), self.connect()
        registration = a.attach(service, "calc")
        self.assertEqual(b.call("calc/add", [20, 22]), 42)
        with b.subscribe("calc/>") as s:
            news.publish(7)
            low(7)
            self.assertEqual([s.receive(PATIENCE).value for _ in range(2)], [7, 6])
        b.join("calc")
        b.broadcast("calc/note", "hello")
        self.assertEqual([HEARD.get(timeout=PATIENCE) for _ in range(2)], [("note", "hello"), ("all", "note")])
        registration.close()
        told = b.explore("calc")
        self.assertEqual((told["methods"], told["topics"]), ([], []))
        news.publish(8)  # it is attached nowhere

    def test_refused_as_a_whole(self) -> None:
        a, b = self.connect(), self.connect()
        taken = b.provide("calc2/negate", lambda n: -n)
        service = calculator()
        e = self.fails(Code.ALREADY_EXISTS, a.attach, service, "calc2")
        self.assertIn("method 'negate' is not attached", e.message)
        self.assertEqual([m["name"] for m in b.explore("calc2")["methods"]], ["negate"])
        taken.close()
        a.attach(service, "calc2")
        a.close()  # the cut; another client takes over
        c = self.connect()
        while True:
            try:
                again = c.attach(service, "calc2")
                break
            except StatusError as error:
                self.assertEqual(error.code, Code.ALREADY_EXISTS)  # the hub has not noticed yet
        self.assertEqual(b.call("calc2/add", [1, 1]), 2)
        c.close()
        again.close()  # nothing is left to withdraw, and that is fine

    def test_direct_peers_have_no_topics_of_ours(self) -> None:
        c, service = self.connect("direct"), calculator()
        service.topic("news")
        e = self.fails(Code.UNIMPLEMENTED, c.attach, service)
        self.assertIn("topic 'news' is not attached", e.message)
        self.fails(Code.UNKNOWN_METHOD, c.call, "call", {"method": "add", "value": [1, 2]})

    def test_collecting(self) -> None:
        service = calculator()
        self.fails(Code.ALREADY_EXISTS, service.method, len, "add")
        self.fails(Code.INVALID_ARGUMENT, service.method, len, "calc/len")
        self.fails(Code.INVALID_ARGUMENT, service.method, "name")
        self.fails(Code.INVALID_ARGUMENT, service.method, len, shape="round")
        self.fails(Code.INVALID_ARGUMENT, service.topic, "")
        self.fails(Code.INVALID_ARGUMENT, service.methods, object())

        class Shop:
            def buy(self, n: int) -> int:
                return n

            def close(self) -> None:
                pass

        self.fails(Code.INVALID_ARGUMENT, service.methods, Shop(), {"sell": "sell"})
        self.fails(Code.ALREADY_EXISTS, service.methods, Shop(), {"close": "add"})
        service.methods(Shop(), {"close": ""})
        c = self.connect("direct")
        c.attach(service)
        self.assertEqual(c.call("call", {"method": "buy", "value": 3}), 3)
        self.fails(Code.UNKNOWN_METHOD, c.call, "call", {"method": "close"})

    def test_failures_without_a_caller(self) -> None:
        c = self.connect("direct")
        told: "queue.Queue[Any]" = queue.Queue()
        c.on_error = lambda error, what: told.put((error, what))

        def fail(_: plexus_ipc.Event) -> None:
            raise ValueError("so it is")

        c.on_event("oops", fail)
        c.on_event("oops", lambda e: HEARD.put(e.value))
        c.call("send", {"method": "oops", "n": 1})
        error, what = told.get(timeout=PATIENCE)
        self.assertIsInstance(error, ValueError)
        self.assertIn("oops", what)
        self.assertEqual(HEARD.get(timeout=PATIENCE), 0)  # the others heard it all the same

    def test_futures(self) -> None:
        c = self.connect("direct")
        ended: "queue.Queue[plexus_ipc.CallFuture]" = queue.Queue()
        wait, add = c.call_async("wait"), c.call_async("add", [1, 2])
        for f in (wait, add):
            f.add_done_callback(ended.put)
        self.assertIs(ended.get(timeout=PATIENCE), add)
        self.assertEqual([add.result(), add.result(0)], [3, 3])
        add.cancel()
        self.assertFalse(wait.done())
        self.assertRaises(TimeoutError, wait.result, 0.01)
        short = c.call_async("deaf", timeout=0.05)
        short.add_done_callback(ended.put)
        self.assertIs(ended.get(timeout=PATIENCE), short)
        self.fails(Code.DEADLINE_EXCEEDED, short.result)
        c.call("release")
        wait.cancel()
        self.assertIs(ended.get(timeout=PATIENCE), wait)
        self.fails(Code.CANCELLED, wait.result)
        self.assertTrue(c.call("gone", timeout=PATIENCE))


class Asyncio(peer.Case):
    def run_with(self, name: str, f: Any) -> None:
        async def main() -> None:
            async with await aio.connect(peer.address(name), timeout=PATIENCE) as a:
                async with await aio.connect(peer.address(name), timeout=PATIENCE) as b:
                    await asyncio.wait_for(f(a, b), PATIENCE)

        asyncio.run(main())

    def test_hub(self) -> None:
        service = Service()

        @service.method
        async def add(pair: List[int]) -> int:
            return pair[0] + pair[1]

        @service.method
        async def upto(n: int) -> AsyncIterator[int]:
            for i in range(n):
                yield i

        @service.topic("low")
        async def low(n: int) -> int:
            return n - 1

        async def body(a: aio.Client, b: aio.Client) -> None:
            heard: "asyncio.Queue[Any]" = asyncio.Queue()
            service.on_event("note", lambda e: heard.put(e.value))
            async with await a.attach(service, "calc3"):
                self.assertEqual(await b.call("calc3/add", [20, 22]), 42)
                self.assertEqual([i async for i in b.stream("calc3/upto", 4)], [0, 1, 2, 3])
                async with await b.subscribe("calc3/low") as s:
                    await low(7)
                    self.assertEqual((await s.receive(PATIENCE)).value, 6)
                await b.join("calc3")
                await b.broadcast("calc3/note", "hello")
                self.assertEqual(await heard.get(), "hello")
                try:
                    await b.attach(service, "calc3")
                    self.fail("it was attached twice")
                except StatusError as e:
                    self.assertEqual(e.code, Code.ALREADY_EXISTS)
                    self.assertIn("method 'add' is not attached", e.message)
            self.assertEqual((await b.explore("calc3"))["methods"], [])
            await low(8)  # it is attached nowhere

        self.run_with("hub", body)

    def test_futures(self) -> None:
        async def body(a: aio.Client, b: aio.Client) -> None:
            ended: "asyncio.Queue[aio.CallFuture]" = asyncio.Queue()
            told: "asyncio.Queue[Any]" = asyncio.Queue()
            a.on_error = lambda error, what: told.put_nowait(error)

            def fail(_: Any) -> None:
                raise ValueError("so it is")

            a.on_event("oops", fail)
            await a.call("send", {"method": "oops", "n": 1})
            self.assertIsInstance(await told.get(), ValueError)
            wait, add = a.call_async("wait"), a.call_async("add", [1, 2])
            for f in (wait, add):
                f.add_done_callback(ended.put_nowait)
            self.assertIs(await ended.get(), add)
            self.assertEqual([await add, await add], [3, 3])
            task = asyncio.ensure_future(a.call("add", [3, 4]))
            self.assertEqual(await task, 7)
            short = a.call_async("deaf", timeout=0.05)
            short.add_done_callback(ended.put_nowait)
            self.assertIs(await ended.get(), short)
            await a.call("release")
            wait.cancel()
            self.assertIs(await ended.get(), wait)
            last = b.call_async("wait")
            last.add_done_callback(ended.put_nowait)
            await b.close()
            self.assertIs(await ended.get(), last)

        self.run_with("direct", body)


if __name__ == "__main__":
    unittest.main()
