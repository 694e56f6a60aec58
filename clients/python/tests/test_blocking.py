# SPDX-License-Identifier: Apache-2.0
"""The blocking client against the Go peer: direct, with a secret, and through a hub."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import unittest
from typing import Any, Iterator, List

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer
from peer import PATIENCE, SECRET

import plexus_ipc
from plexus_ipc import Code, Encoded, Fixed, StatusError


class Case(peer.Case):
    def connect(self, name: str = "direct", **options: Any) -> plexus_ipc.Client:
        client = plexus_ipc.connect(peer.address(name), timeout=PATIENCE, **options)
        self.addCleanup(client.close)
        return client


class Shared:
    """What holds for a direct peer holds through a hub: prefix and place differ."""

    at = ""

    def client(self, **options: Any) -> plexus_ipc.Client:
        raise NotImplementedError

    def mine(self, name: str) -> str:
        """The address under which this client provides."""
        raise NotImplementedError

    def test_call(self) -> None:
        c = self.client()
        self.assertEqual(c.call(self.at + "add", [20, 22], timeout=PATIENCE), 42)
        value = {"a": [1, 2.5, None, True, "ä✓😀"], "b": {}}
        self.assertEqual(c.call(self.at + "echo", value), value)
        self.assertIsNone(c.call(self.at + "echo"))

    def test_bytes(self) -> None:
        c = self.client()
        for value in (b"", b"\0\xff", bytes(range(256)) * 10):
            self.assertEqual(c.call(self.at + "echo", value), value)

    def test_large(self) -> None:
        c = self.client()
        for size in (65_535, 65_536, 65_537, 1 << 20, 5_000_000):
            value = os.urandom(1000) * (size // 1000 + 1)
            value = value[:size]
            self.assertTrue(c.call(self.at + "echo", value) == value)
        self.assertEqual(c.call(self.at + "big", 1 << 20), "x" * (1 << 20))

    def test_other_codecs(self) -> None:
        c = self.client()
        self.assertEqual(c.call(self.at + "echo", Encoded(200, b"?")), Encoded(200, b"?"))
        pair = Fixed(("array", 2, "i64"))
        self.assertEqual(Fixed("i64").decode(c.call(self.at + "add", pair.encode([40, 2]))), 42)

    def test_failures(self) -> None:
        c = self.client()
        e = self.fails(Code.PERMISSION_DENIED, c.call, self.at + "fail", int(Code.PERMISSION_DENIED))
        self.assertEqual((e.message, e.details, e.retryable, e.remote), ("as you wish", b"details", False, True))
        self.assertTrue(self.fails(Code.OVERLOADED, c.call, self.at + "fail", int(Code.OVERLOADED)).retryable)
        self.fails(999, c.call, self.at + "fail", 999)
        self.fails(Code.INVALID_ARGUMENT, c.call, self.at + "add", "no numbers")
        self.fails(Code.WRONG_SHAPE, c.call, self.at + "count", 3)
        self.fails(Code.WRONG_SHAPE, list, c.stream(self.at + "add", [1, 2]))
        for name in ("", "/", "a/b/c", "x" * 256):
            self.fails(Code.INVALID_ARGUMENT, c.call, name)
        self.fails(Code.INVALID_ARGUMENT, c.call, self.at + "echo", {1, 2})

    def test_future(self) -> None:
        c = self.client()
        futures = [c.call_async(self.at + "add", [i, i]) for i in range(100)]
        self.assertEqual([f.result() for f in futures], [2 * i for i in range(100)])
        done = threading.Event()
        futures[0].add_done_callback(lambda _: done.set())
        self.assertTrue(done.wait(PATIENCE))

    def test_cancel_reaches_the_handler(self) -> None:
        c = self.client()
        f = c.call_async(self.at + "wait")
        with self.assertRaises(TimeoutError):
            f.result(0)
        f.cancel()
        self.fails(Code.CANCELLED, f.result, PATIENCE)
        self.assertTrue(c.call(self.at + "gone", timeout=PATIENCE))

    def test_deadline(self) -> None:
        c = self.client()
        self.fails(Code.DEADLINE_EXCEEDED, c.call, self.at + "wait", timeout=0.05)
        self.assertTrue(c.call(self.at + "gone", timeout=PATIENCE))
        self.assertTrue(self.fails(Code.DEADLINE_EXCEEDED, c.call, self.at + "wait", timeout=0).retryable)

    def test_envelope(self) -> None:
        c = self.client()
        e = c.call(self.at + "envelope", timeout=100, headers={"tenant": "acme", "ä": ""})
        self.assertEqual((e["sender"], e["headers"]), (c.id, {"tenant": "acme", "ä": ""}))
        self.assertTrue(90 < e["remaining"] <= 100)
        self.fails(Code.INVALID_ARGUMENT, c.call, self.at + "envelope", headers={"k": "v" * 3000})

    def test_server_stream(self) -> None:
        c = self.client()
        stream = c.stream(self.at + "count", 5000)
        self.assertEqual(list(stream), list(range(5000)))
        self.assertIsNone(stream.result())

    def test_stream_is_given_up(self) -> None:
        c = self.client()
        with c.stream(self.at + "forever", 1000) as stream:
            for _ in range(10):
                next(stream)
        self.fails(Code.CANCELLED, next, stream)
        self.assertTrue(c.call(self.at + "gone", timeout=PATIENCE))

    def test_stream_deadline(self) -> None:
        c = self.client()
        self.fails(Code.DEADLINE_EXCEEDED, list, c.stream(self.at + "forever", 1000, timeout=0.1))
        self.assertTrue(c.call(self.at + "gone", timeout=PATIENCE))

    def test_long_items(self) -> None:
        c = self.client()
        with c.stream(self.at + "forever", 300_000) as stream:
            self.assertEqual([len(next(stream)) for _ in range(5)], [300_000] * 5)

    def test_client_stream(self) -> None:
        c = self.client()
        self.assertEqual(c.client_stream(self.at + "sum", items=range(5000)).result(), sum(range(5000)))

    def test_duplex(self) -> None:
        c = self.client()
        with c.duplex(self.at + "double") as both:
            for i in range(100):
                both.send(i)
                self.assertEqual(next(both), 2 * i)
            both.close_send()
            self.assertEqual(list(both), [])
            self.assertIsNone(both.result())
            self.fails(Code.FAILED_PRECONDITION, both.send, 1)

    def test_duplex_from_two_threads(self) -> None:
        c = self.client()
        with c.duplex(self.at + "double") as both:

            def send() -> None:
                for i in range(20_000):
                    both.send(i)
                both.close_send()

            sender = threading.Thread(target=send)
            sender.start()
            self.assertEqual(sum(1 for _ in both), 20_000)
            sender.join()

    def test_many_threads(self) -> None:
        c = self.client()
        failed: List[Any] = []

        def work(n: int) -> None:
            for i in range(50):
                if c.call(self.at + "add", [n, i]) != n + i:
                    failed.append((n, i))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failed, [])

    def test_long_calls_at_once(self) -> None:
        """More unfinished bytes than the peer holds are never on the way."""
        c = self.client()
        value = bytes(3_000_000)
        futures = [c.call_async(self.at + "echo", value) for _ in range(16)]
        self.assertTrue(all(f.result() == value for f in futures))

    # Providing.

    def test_provide(self) -> None:
        c = self.client()
        seen: List[Any] = []

        @c.provide(self.mine("mul"))
        def mul(pair: List[int]) -> int:
            call = plexus_ipc.current()
            seen.append((call.method, call.sender, call.cancelled))
            return pair[0] * pair[1]

        self.assertEqual(c.call(self.at + "call", {"method": self.mine("mul"), "value": [6, 7]}), 42)
        self.assertEqual((seen[0][0], seen[0][2]), ("mul", False))
        self.fails(Code.ALREADY_EXISTS, c.provide, self.mine("mul"), mul)
        with self.assertRaises(RuntimeError):
            plexus_ipc.current()

    def test_provide_failures(self) -> None:
        c = self.client()

        def fail(code: int) -> None:
            if code == 0:
                raise ValueError("a mistake")
            raise StatusError(code, "told so", details=b"d")

        registration = c.provide(self.mine("fail2"), fail)
        e = self.fails(Code.NOT_OWNER, c.call, self.at + "call", {"method": self.mine("fail2"), "value": 15})
        self.assertIn("told so", e.message)
        e = self.fails(Code.FAILED, c.call, self.at + "call", {"method": self.mine("fail2"), "value": 0})
        self.assertIn("a mistake", e.message)
        c.provide(self.mine("set"), lambda _: {1, 2})
        self.fails(Code.INVALID_ARGUMENT, c.call, self.at + "call", {"method": self.mine("set")})
        registration.close()
        missing = Code.NO_PROVIDER if self.at else Code.UNKNOWN_METHOD
        self.fails(missing, c.call, self.at + "call", {"method": self.mine("fail2"), "value": 0})

    def test_provide_streams(self) -> None:
        c = self.client()

        @c.provide(self.mine("upto"))
        def upto(n: int) -> Iterator[int]:
            yield from range(n)

        c.provide(self.mine("total"), lambda _, items: sum(items), shape="client_stream")

        @c.provide(self.mine("negate"), shape="duplex")
        def negate(_: Any, items: Iterator[int]) -> Iterator[int]:
            for i in items:
                yield -i

        self.assertEqual(c.call(self.at + "collect", {"method": self.mine("upto"), "value": 3000}), list(range(3000)))
        self.assertEqual(c.call(self.at + "upload", {"method": self.mine("total"), "n": 3000}), sum(range(3000)))
        self.assertEqual(c.call(self.at + "talk", {"method": self.mine("negate"), "n": 50}), [-i for i in range(50)])
        self.fails(Code.WRONG_SHAPE, c.call, self.at + "call", {"method": self.mine("upto"), "value": 3})

    def test_cancel_of_the_peer_reaches_the_handler(self) -> None:
        c = self.client()
        self.assertEqual(c.call(self.at + "abandon", {"method": self.mine("sleepy")}), "no_provider" if self.at else "unknown_method")
        sleepy = threading.Event()

        def sleep(_: Any) -> None:
            c.call(self.at + "release")
            self.assertTrue(plexus_ipc.current().wait_cancelled(PATIENCE))
            sleepy.set()

        c.provide(self.mine("sleepy"), sleep)
        self.assertEqual(c.call(self.at + "abandon", {"method": self.mine("sleepy")}), "cancelled")
        self.assertTrue(sleepy.wait(PATIENCE))

    def test_nested_calls(self) -> None:
        """A handler calls its caller, which calls back, on one connection."""
        c = self.client()

        def nest(depth: int) -> int:
            if depth == 0:
                return 0
            return 1 + c.call(self.at + "call", {"method": self.mine("nest"), "value": depth - 1})

        c.provide(self.mine("nest"), nest)
        self.assertEqual(c.call(self.at + "call", {"method": self.mine("nest"), "value": 20}), 20)

    def test_large_answers(self) -> None:
        c = self.client()
        c.provide(self.mine("grow"), lambda n: "y" * n)
        self.assertEqual(c.call(self.at + "call", {"method": self.mine("grow"), "value": 1 << 20}), "y" * (1 << 20))

    # Publications and events.

    def test_publish_and_subscribe(self) -> None:
        c = self.client()
        with c.subscribe(self.at + "news.*") as news, c.subscribe(self.at + "news.own") as own:
            c.publish(self.at + "news.shared", {"n": 1}, headers={"k": "v"})
            got = news.receive(PATIENCE)
            self.assertEqual((got.topic, got.value, got.headers, got.dropped), ("news.shared", {"n": 1}, {"k": "v"}, 0))
            c.publish(self.at + "news.shared", b"bytes")
            self.assertEqual(news.receive(PATIENCE).value, b"bytes")
            c.call(self.at + "publish", {"topic": "news.own", "n": 1000})
            self.assertEqual([next(news).value for _ in range(1000)], list(range(1, 1001)))
            self.assertEqual([next(own).value for _ in range(1000)], list(range(1, 1001)))
            with self.assertRaises(TimeoutError):
                own.receive(0)
        self.assertEqual(list(own), [])
        self.fails(Code.NOT_OWNER, c.publish, self.at + "news.own", 1)
        self.fails(Code.UNDECLARED, c.publish, self.at + "nobody.declared", 1)
        self.fails(Code.UNDECLARED, c.publish, self.at + "nobody.declared", 1)
        self.fails(Code.INVALID_ARGUMENT, c.subscribe, self.at + "news..x")

    def test_many_publications(self) -> None:
        """Credit comes back as they are consumed."""
        c = self.client()
        with c.subscribe(self.at + "news.shared", queue=60_000) as news:
            value = "x" * 1000

            def publish() -> None:
                for i in range(5000):
                    c.publish(self.at + "news.shared", [i, value])

            sender = threading.Thread(target=publish)
            sender.start()
            self.assertEqual([next(news).value[0] for _ in range(5000)], list(range(5000)))
            sender.join()

    def test_gaps(self) -> None:
        c = self.client()
        with c.subscribe(self.at + "news.own", queue=10) as news:
            n = 30_000
            self.assertEqual(c.call(self.at + "publish", {"topic": "news.own", "n": n}), n)
            seen = 0
            while True:
                got = news.receive(PATIENCE)
                seen += 1
                last = got.value
                if last == n:
                    break
            self.assertEqual(seen + news.dropped, n)
            self.assertGreater(news.dropped, 0)

    def test_events(self) -> None:
        c = self.client()
        got: List[Any] = []
        enough = threading.Event()

        @c.on_event(self.mine("tick.*"))
        def tick(e: plexus_ipc.Event) -> None:
            got.append((e.name, e.value, e.broadcast))
            if len(got) == 1000:
                enough.set()

        self.ready_for_events(c)
        self.assertEqual(c.call(self.at + "send", self.send_to("tick.a", c)), 1000)
        self.assertTrue(enough.wait(PATIENCE))
        self.assertEqual(got, [("tick.a", i, False) for i in range(1000)])

    def ready_for_events(self, c: plexus_ipc.Client) -> None:
        pass

    def send_to(self, name: str, c: plexus_ipc.Client) -> Any:
        return {"method": self.mine(name), "n": 1000}


class Direct(Shared, Case):
    def client(self, **options: Any) -> plexus_ipc.Client:
        return self.connect("direct", **options)

    def mine(self, name: str) -> str:
        return name

    def test_about(self) -> None:
        c = self.client(id="python", metadata={"role": "test"})
        self.assertEqual((c.id, c.hub, c.peer["id"], c.closed), ("python", False, "server", False))
        members = c.members()
        mine = [m for m in members if m["id"] == "python"]
        self.assertEqual((len(mine), mine[0]["metadata"]), (1, {"role": "test"}))
        self.assertEqual(c.status()["kind"], "server")
        self.fails(Code.UNIMPLEMENTED, c.channels)
        self.fails(Code.UNIMPLEMENTED, c.join, "chat")
        self.fails(Code.UNKNOWN_METHOD, c.call, "nothing")
        self.fails(Code.ALREADY_EXISTS, self.connect, id="python")

    def test_events_to_the_peer(self) -> None:
        c = self.client()
        c.send("to.server", 1)
        c.broadcast("to.server", 2)
        self.assertEqual(c.call("heard", {"method": "to.server", "n": 2}), ["to.server false 1", "to.server true 2"])

    def test_event_refused(self) -> None:
        c = self.client()
        self.fails(Code.UNKNOWN_METHOD, c.call, "send", {"method": "nobody.listens", "n": 1})
        self.fails(Code.NOT_FOUND, c.send, "ev", 1, target="somebody")

    def test_unix_and_tcp(self) -> None:
        for name in ("abstract", "tcp"):
            c = self.connect(name)
            self.assertEqual(c.call("add", [1, 2]), 3)

    def test_more_routes_than_the_peer_allows(self) -> None:
        """The peer allows 4 at a time."""
        c = self.connect("tcp")
        self.addCleanup(self.connect("tcp").subscribe("news.*").close)
        for _ in range(3):
            for name in ("add", "sum", "big", "fail", "count", "nothing"):
                with self.assertRaises(StatusError):
                    c.call(name, "wrong")
            self.assertEqual(c.call("echo", 1), 1)
            c.publish("news.shared", 1)

    def test_publish_to_nobody(self) -> None:
        """The first publication on a topic that nobody has ever subscribed to does no harm."""
        fresh = peer.house().start()
        self.addCleanup(fresh.stop)
        with plexus_ipc.connect(fresh.addresses["direct"]) as c:
            c.publish("news.shared", 1)
            c.flush(PATIENCE)

    def test_small_limits(self) -> None:
        c = self.connect("small")
        self.fails(Code.TOO_LARGE, c.call, "echo", bytes((1 << 20) + 1))
        futures = [c.call_async("wait") for _ in range(4)]
        self.assertTrue(self.fails(Code.LIMIT_EXCEEDED, c.call, "add", [1, 2]).retryable)
        for f in futures:
            f.cancel()
            self.fails(Code.CANCELLED, f.result, PATIENCE)
        self.assertEqual(c.client_stream("sum", items=range(500)).result(), sum(range(500)))
        with c.subscribe("news.shared") as news:
            for i in range(100):
                c.publish("news.shared", "x" * 500)
            self.assertEqual(len([next(news) for _ in range(100)]), 100)

    def test_own_limits(self) -> None:
        config = plexus_ipc.Config(max_message=100_000, stream_window=2000, route_window=2000)
        c = self.connect("direct", config=config)
        self.fails(Code.TOO_LARGE, c.call, "big", 200_000)
        self.assertEqual(list(c.stream("count", 3000)), list(range(3000)))
        self.fails(Code.TOO_LARGE, list, c.stream("forever", 150_000))
        self.assertTrue(c.call("gone", timeout=PATIENCE))

    def test_secret(self) -> None:
        for name in ("secret", "peersecret"):
            for secret in (SECRET, SECRET.encode()):
                c = self.connect(name, secret=secret)
                self.assertEqual(c.call("add", [1, 2]), 3)
            self.fails(Code.UNAUTHENTICATED, self.connect, name)
            self.fails(Code.UNAUTHENTICATED, self.connect, name, secret="wrong")
        self.fails(Code.UNAUTHENTICATED, self.connect, "direct", secret=SECRET)
        self.fails(Code.INVALID_ARGUMENT, self.connect, "secret", secret="")

    def test_drain(self) -> None:
        c = self.client()
        waiting = c.call_async("wait")
        self.assertEqual(c.call("drain", 1), 1)
        with c._link.room:
            self.assertTrue(c._link.room.wait_for(lambda: c.draining, PATIENCE))
        self.assertTrue(self.fails(Code.UNAVAILABLE, c.call, "add", [1, 2]).retryable)
        waiting.cancel()
        self.fails(Code.CANCELLED, waiting.result, PATIENCE)
        self.assertTrue(c.wait_closed(PATIENCE))

    def test_cut(self) -> None:
        c = self.client()
        waiting, stream = c.call_async("wait"), c.stream("forever", 10)
        self.fails(Code.PEER_GONE, c.call, "cut")
        self.assertFalse(self.fails(Code.PEER_GONE, waiting.result, PATIENCE).retryable)
        self.fails(Code.PEER_GONE, list, stream)
        self.assertTrue(c.wait_closed(PATIENCE))
        self.assertTrue(self.fails(Code.PEER_GONE, c.call, "add", [1, 2]).retryable)
        self.assertTrue(self.fails(Code.PEER_GONE, c.publish, "news.shared", 1).retryable)

    def test_close(self) -> None:
        c = self.client()
        waiting = c.call_async("wait")
        c.close()
        c.close()
        self.fails(Code.CLOSED, waiting.result, PATIENCE)
        self.fails(Code.CLOSED, c.call, "add", [1, 2])
        assert c.error is not None
        self.assertEqual((c.closed, c.error.code), (True, Code.CLOSED))

    def test_close_loses_nothing(self) -> None:
        watcher = self.client()
        with watcher.subscribe("news.shared", queue=60_000) as news:
            with plexus_ipc.connect(peer.address("direct")) as c:
                for i in range(2000):
                    c.publish("news.shared", ["last words", i])
            self.assertEqual([next(news).value[1] for _ in range(2000)], list(range(2000)))

    def test_flush(self) -> None:
        c = self.client()
        c.call_async("echo", bytes(3_000_000))
        c.flush(PATIENCE)


class Hub(Shared, Case):
    at = "go/"
    count = 0

    def client(self, **options: Any) -> plexus_ipc.Client:
        return self.connect("hub", **options)

    def mine(self, name: str) -> str:
        return "py-%s/%s" % (self.id().rpartition(".")[2], name)

    def ready_for_events(self, c: plexus_ipc.Client) -> None:
        c.join(self.mine("x").partition("/")[0])

    def send_to(self, name: str, c: plexus_ipc.Client) -> Any:
        return {"method": self.mine(name), "n": 1000, "target": c.id}

    def test_about(self) -> None:
        c = self.client(id="python")
        self.assertEqual((c.id, c.hub, c.peer["id"]), ("python", True, "hub"))
        joined = c.join("room")
        self.assertEqual((joined["owner"], joined["id"]), ("python", "python"))
        self.assertEqual([m["id"] for m in c.members("room")], ["python"])
        self.assertIn("gopher", [m["id"] for m in c.members()])
        self.assertIn("go", [x["name"] for x in c.channels()])
        self.assertEqual(c.status()["kind"], "hub")
        c.leave("room")
        self.fails(Code.NO_PROVIDER, c.call, "go/nothing")
        self.assertEqual(self.connect("hubtcp").call("go/add", [1, 2]), 3)

    def test_between_python_programs(self) -> None:
        a, b = self.client(id="a"), self.client(id="b")

        def who(value: Any) -> Any:
            return [value, plexus_ipc.current().sender, plexus_ipc.current().headers]

        a.provide("room2/who", who)
        a.provide("room2/bytes", lambda raw: raw[::-1])
        self.assertEqual(b.call("room2/who", 1, headers={"k": "v"}), [1, "b", {"k": "v"}])
        self.assertEqual(b.call("room2/bytes", b"\0\1\2"), b"\2\1\0")
        self.assertTrue(b.call("room2/bytes", b"ab" * (1 << 19)) == b"ba" * (1 << 19))
        self.fails(Code.ALREADY_EXISTS, b.provide, "room2/who", who)
        a.declare("room2/t")
        with b.subscribe("room2/>") as news:
            a.publish("room2/t", 1)
            got = news.receive(PATIENCE)
            self.assertEqual((got.channel, got.topic, got.value, got.sender), ("room2", "t", 1, "a"))
            self.fails(Code.NOT_OWNER, b.publish, "room2/t", 1)
        b.join("room2")
        heard: List[Any] = []
        enough = threading.Event()

        def hear(e: plexus_ipc.Event) -> None:
            heard.append((e.sender, e.value, e.broadcast))
            if len(heard) == 2:
                enough.set()

        b.on_event("room2/hello", hear)
        a.broadcast("room2/hello", "all")
        a.send("room2/hello", "you", target="b")
        self.assertTrue(enough.wait(PATIENCE))
        self.assertEqual(sorted(heard), [("a", "all", True), ("a", "you", False)])

    def test_cancel_reaches_a_producer_without_credit(self) -> None:
        a, b = self.client(), self.client()
        blocked, ended = threading.Event(), threading.Event()

        @a.provide("room4/endless")
        def endless(_: Any) -> Iterator[str]:
            try:
                for i in range(1_000_000):
                    if i == 246:  # 256 KiB of credit are enough for no more
                        blocked.set()
                    yield "x" * 1000
            finally:
                ended.set()

        with b.stream("room4/endless"):
            self.assertTrue(blocked.wait(PATIENCE))
        self.assertTrue(ended.wait(PATIENCE))

    def test_schemas(self) -> None:
        a, b = self.client(id="teller"), self.client()
        schema = {"input": {"type": "number"}, "output": {"type": "integer", "minimum": 0}}
        with a.provide("room5/square", lambda n: n * n, schema=schema):
            a.provide("room5/plain", lambda n: n)
            a.provide("room5/count", range, shape="server_stream", schema={"input": {"type": "integer"}})
            a.declare("room5/news", shared=True, schema={"type": "string"})
            self.assertEqual(b.explore("room5", "square"), {"channel": "room5", "owner": "teller", "topics": [], "methods": [
                {"name": "square", "shape": 0, "providers": ["teller"], "described": True, **schema}]})
            told = b.explore("room5")
            self.assertEqual([(m["name"], m["shape"], m.get("described", False)) for m in told["methods"]],
                             [("count", 1, True), ("plain", 0, False), ("square", 0, True)])
            self.assertEqual(told["topics"], [
                {"name": "news", "shared": True, "owners": ["teller"], "described": True, "schema": {"type": "string"}}])
            self.assertEqual(b.call("room5/square", 3), 9)
        self.fails(Code.NOT_FOUND, b.explore, "room5", "square")
        self.fails(Code.INVALID_ARGUMENT, a.provide, "room5/bad", print, schema={"in": {}})
        self.fails(Code.INVALID_ARGUMENT, a.provide, "room5/bad", print, schema={"input": {"$ref": "https://example.com/x"}})
        a.provide("room5/bad", print)  # what was refused has left nothing
        self.assertIn("add", [m["name"] for m in self.connect("direct").explore()["methods"]])

    def test_provider_dies(self) -> None:
        a, b = self.client(), self.client()
        serving = threading.Event()

        def hang(_: Any) -> None:
            serving.set()
            self.assertTrue(plexus_ipc.current().wait_cancelled(PATIENCE))

        a.provide("room3/hang", hang)
        f = b.call_async("room3/hang")
        self.assertTrue(serving.wait(PATIENCE))
        a.close()
        self.fails(Code.PEER_GONE, f.result, PATIENCE)


class Nobody(Case):
    """What does not speak Plexus, and what is not there."""

    def test_nobody_there(self) -> None:
        folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, folder)
        for scheme in ("unix", "shm"):
            e = self.fails(Code.UNAVAILABLE, plexus_ipc.connect, "%s://%s/nobody" % (scheme, folder))
            self.assertTrue(e.retryable)

    def test_addresses(self) -> None:
        for address in ("", "demo", "unix:relative", "unix://", "unix://@", "tcp://host", "tcp://:1", "tcp://h:x", "ws://h:1/", "unix:///a\0b"):
            with self.subTest(address):
                self.fails(Code.INVALID_ARGUMENT, plexus_ipc.connect, address)

    def serve(self, answer: bytes, hold: bool = False) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        release = threading.Event()

        def accept() -> None:
            with listener.accept()[0] as s:
                s.recv(1000)
                s.sendall(answer)
                if hold:
                    release.wait(PATIENCE)

        thread = threading.Thread(target=accept)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(release.set)
        self.addCleanup(listener.close)
        return "tcp://127.0.0.1:%d" % listener.getsockname()[1]

    def test_other_protocols(self) -> None:
        self.fails(Code.PROTOCOL, plexus_ipc.connect, self.serve(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        self.fails(Code.PROTOCOL, plexus_ipc.connect, self.serve(b"\x10\0\0\0PLEXUS\2\0\0\0\0\0"))
        self.fails(Code.UNAVAILABLE, plexus_ipc.connect, self.serve(b""))

    def test_silence(self) -> None:
        self.fails(Code.DEADLINE_EXCEEDED, plexus_ipc.connect, self.serve(b"", hold=True), timeout=0.1)


if __name__ == "__main__":
    unittest.main()
