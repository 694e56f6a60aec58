# SPDX-License-Identifier: Apache-2.0
"""The session without I/O, against a scripted peer: what a hostile or slow one does."""

from __future__ import annotations

import base64
import json
import os
import sys
import unittest
from typing import Any, List, Optional

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer  # noqa: F401

from plexus_ipc import auth, wire
from plexus_ipc.exchange import Event, Exchange, Item
from plexus_ipc.handshake import Config
from plexus_ipc.session import Host, Session
from plexus_ipc.status import Code, StatusError
from plexus_ipc.wire import Bind, Frame

LIMITS = {"message": 1 << 20, "calls": 4, "routes": 2, "stream": 1000, "route": 1000}
METHOD = Bind(wire.METHOD, "math", "add")


def topic(name: str) -> Bind:
    return Bind(wire.TOPIC, "feed", name)


def first_id(slot: int = 0, generation: int = 1, parity: int = 0) -> int:
    return wire.make_id(parity, slot, generation)


class Recorder(Host):
    def __init__(self) -> None:
        self.calls: List[Exchange] = []
        self.events: List[Event] = []
        self.rooms = 0
        self.ended: Optional[StatusError] = None

    def on_end(self, error: StatusError) -> None:
        assert self.ended is None
        self.ended = error

    def on_room(self) -> None:
        self.rooms += 1

    def on_call(self, call: Exchange) -> None:
        self.calls.append(call)

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def bind(self, bind: Bind) -> Any:
        if bind.name == "refused":
            raise StatusError(Code.PERMISSION_DENIED, "not you")
        return bind.name


class Script(unittest.TestCase):
    """A session after its handshake, and the peer in the hands of the test."""

    now = 0.0

    def setUp(self) -> None:
        self.host = Recorder()
        self.make()
        self.shake()

    def make(self, **config: Any) -> None:
        self.host = Recorder()
        self.session = Session(Config(**{"id": "py", "max_message": 200_000, "stream_window": 1000, "route_window": 1000, **config}), self.host, lambda: self.now)

    def shake(self, **hello: Any) -> None:
        self.session.begin()
        self.hello(**hello)
        self.say(wire.AUTH, payload=b'{"done":true,"id":"py-1"}')
        self.assertEqual(self.session.state, "open")
        self.sent()

    def hello(self, **changes: Any) -> None:
        body = {"instance": "00" * 16, "nonce": "11" * 32, "auth": ["none"], "id": "srv", "limits": LIMITS, **changes}
        self.session.receive(wire.pack_preface())
        self.say(wire.HELLO, payload=json.dumps(body).encode())

    def say(self, kind: int, flags: int = 0, **fields: Any) -> None:
        self.session.receive(Frame(kind, flags, **fields).pack())

    def sent(self) -> List[Frame]:
        splitter, frames = wire.Splitter(), []
        data = self.session.data_to_send()
        while data:
            splitter.feed(data)
            data = self.session.data_to_send()
        raw = splitter.next()
        while raw is not None:
            frames.append(Frame(99) if raw[4:10] == b"PLEXUS" else wire.parse_frame(raw))
            raw = splitter.next()
        return frames

    def kinds(self) -> List[int]:
        return [f.kind for f in self.sent()]

    def ends(self, code: int) -> None:
        self.assertEqual(self.session.state, "closed")
        assert self.host.ended is not None
        self.assertEqual(self.host.ended.code, code, str(self.host.ended))

    def call(self, payload: bytes = b"[1]", shape: int = wire.UNARY, **options: Any) -> Exchange:
        return self.session.call(METHOD, Item(1, payload), shape=shape, **options)

    def answer(self, call: Exchange, payload: bytes = b"42") -> None:
        self.say(wire.REPLY, wire.END, codec=1, id=call.id, payload=payload)


class Handshake(Script):
    def setUp(self) -> None:
        self.make()

    def test_hello(self) -> None:
        self.session.begin()
        preface, hello = self.sent()
        self.assertEqual((preface.kind, hello.kind), (99, wire.HELLO))
        body = wire.parse_hello(hello.payload)
        self.assertEqual((len(body["nonce"]), len(body["instance"]), body["id"]), (64, 32, "py"))
        self.assertTrue(all(body["limits"].values()))

    def test_secret(self) -> None:
        self.make(secret=b"secret")
        self.session.begin()
        mine = self.sent()[1].payload
        body = json.dumps({"instance": "0", "nonce": "1" * 32, "auth": ["secret", "none"], "limits": LIMITS}).encode()
        self.session.receive(wire.pack_preface())
        self.say(wire.HELLO, payload=body)
        digest = auth.transcript(mine, body)
        said = wire.parse_auth(self.sent()[0].payload)
        self.assertEqual((said["mechanism"], said["data"]), ("secret", auth.client_proof(b"secret", digest)))
        proof = base64.b64encode(auth.server_proof(b"secret", digest, said["data"])).decode()
        self.say(wire.AUTH, payload=json.dumps({"data": proof, "done": True}).encode())
        self.assertEqual(self.session.state, "open")

    def test_server_without_the_secret(self) -> None:
        for answer in ({"done": True}, {"done": True, "data": "AAAA"}, {"data": base64.b64encode(bytes(32)).decode(), "done": True}):
            self.make(secret=b"secret")
            self.session.begin()
            self.hello(auth=["secret"])
            self.say(wire.AUTH, payload=json.dumps(answer).encode())
            self.ends(Code.UNAUTHENTICATED)

    def test_no_way_down(self) -> None:
        """With a secret nothing less is done, whatever the server offers."""
        self.make(secret=b"secret")
        self.session.begin()
        self.hello(auth=["none", "peer"])
        self.ends(Code.UNAUTHENTICATED)

    def test_refusals(self) -> None:
        refusals: List[Any] = [
            {"nonce": "short"}, {"nonce": "1" * 257}, {"limits": {}}, {"limits": {**LIMITS, "route": 0}},
            {"limits": {**LIMITS, "calls": -1}}, {"auth": "none"}, {"metadata": {"a": 1}}, {"auth": [1]},
        ]
        for changes in refusals:
            with self.subTest(changes):
                self.make()
                self.session.begin()
                self.hello(**changes)
                self.ends(Code.PROTOCOL)

    def test_other_protocols(self) -> None:
        for data in (b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", wire.pack_preface(2), b"\x10\0\0\0" + b"x" * 12):
            self.make()
            self.session.begin()
            self.session.receive(data)
            self.ends(Code.PROTOCOL)

    def test_refused(self) -> None:
        self.session.begin()
        self.session.receive(wire.pack_preface())
        self.say(wire.GOAWAY, wire.END, payload=wire.pack_status(Code.BUSY, "one peer"))
        self.ends(Code.BUSY)

    def test_ignorable_frames(self) -> None:
        self.session.begin()
        self.session.receive(wire.pack_preface())
        self.say(200, wire.IGNORABLE, payload=bytes(1000))
        self.assertEqual(self.session.state, "handshake")
        self.say(200)
        self.ends(Code.PROTOCOL)

    def test_bounded(self) -> None:
        self.session.begin()
        self.session.receive(wire.pack_preface())
        self.say(200, wire.IGNORABLE, payload=bytes(60_000))
        self.assertEqual(self.session.state, "handshake")
        self.say(200, wire.IGNORABLE, payload=bytes(6_000))
        self.ends(Code.PROTOCOL)

    def test_endless_authentication(self) -> None:
        self.session.begin()
        self.hello()
        for _ in range(8):
            self.say(wire.AUTH, payload=b"{}")
        self.ends(Code.UNAUTHENTICATED)

    def test_lost(self) -> None:
        self.session.begin()
        self.session.lost()
        self.ends(Code.UNAVAILABLE)


class Calls(Script):
    def test_call(self) -> None:
        call = self.call(timeout=1.5)
        bind, request = self.sent()
        self.assertEqual((bind.kind, bind.route, wire.parse_bind(bind.payload)), (wire.BIND, 1, METHOD))
        self.assertEqual((request.kind, request.flags, request.route, request.deadline), (wire.CALL, wire.END, 1, 1_500_000))
        self.assertEqual(request.id, first_id())
        self.answer(call)
        self.assertTrue(call.done)
        assert call.reply is not None
        self.assertEqual(call.reply.payload, b"42")
        self.assertEqual(self.session.pending, 0)
        again = self.call()
        self.assertEqual(self.kinds(), [wire.CALL])
        self.assertEqual(again.id, first_id(generation=2))

    def test_no_call_has_id_0(self) -> None:
        ids = set()
        for _ in range(8200):
            call = self.call()
            ids.add(call.id)
            self.answer(call)
            self.session.data_to_send()
        self.assertEqual((len(ids), 0 in ids), (8191, False))

    def test_failure(self) -> None:
        call = self.call()
        self.say(wire.FAIL, wire.END, id=call.id, payload=wire.pack_status(Code.NO_PROVIDER, "nobody", b"d", 0))
        assert call.error is not None
        self.assertEqual((call.error.code, call.error.details, call.error.retryable, call.error.remote), (Code.NO_PROVIDER, b"d", True, True))

    def test_limit(self) -> None:
        calls = [self.call() for _ in range(4)]
        with self.assertRaises(StatusError) as caught:
            self.call()
        self.assertEqual((caught.exception.code, caught.exception.retryable), (Code.LIMIT_EXCEEDED, True))
        self.answer(calls[2])
        self.assertEqual(self.call().id, first_id(2, 2))

    def test_late_frames(self) -> None:
        call = self.call()
        self.answer(call)
        for kind, payload in ((wire.REPLY, b"1"), (wire.FAIL, b""), (wire.DATA, b"1"), (wire.CANCEL, b""), (wire.ABORT, b""),
                              (wire.CREDIT, wire.pack_credit(1, 1))):
            self.say(kind, id=call.id, payload=payload)
            self.say(kind, id=first_id(3, 77), payload=payload)
        self.say(wire.CREDIT, route=2, payload=wire.pack_credit(1, 1))
        self.say(wire.REVOKE, wire.END, route=77)
        self.say(wire.PONG, payload=bytes(8))
        self.assertEqual(self.session.state, "open")

    def test_cancel(self) -> None:
        call = self.call()
        self.sent()
        self.session.cancel(call)
        self.assertEqual([(f.kind, f.id) for f in self.sent()], [(wire.CANCEL, call.id)])
        self.assertFalse(call.done)

    def test_given_up_keeps_its_slot(self) -> None:
        call = self.call()
        self.session.give_up(call, StatusError(Code.DEADLINE_EXCEEDED))
        self.assertTrue(call.done)
        self.assertEqual(self.call().id, first_id(1))
        self.answer(call)
        self.assertEqual(self.call().id, first_id(0, 2))

    def test_lost(self) -> None:
        call = self.call()
        self.session.lost()
        assert call.error is not None
        self.assertEqual((call.error.code, call.error.retryable), (Code.PEER_GONE, False))
        with self.assertRaises(StatusError) as caught:
            self.call()
        self.assertEqual((caught.exception.code, caught.exception.retryable), (Code.PEER_GONE, True))

    def test_goaway(self) -> None:
        call = self.call()
        self.say(wire.GOAWAY, payload=wire.pack_status(Code.UNAVAILABLE, "draining"))
        with self.assertRaises(StatusError) as caught:
            self.call()
        self.assertEqual((caught.exception.code, caught.exception.retryable), (Code.UNAVAILABLE, True))
        self.answer(call)
        self.assertIsNone(call.error)
        self.say(wire.GOAWAY, wire.END, payload=wire.pack_status(Code.EVICTED, "enough"))
        self.ends(Code.EVICTED)

    def test_too_large_to_send(self) -> None:
        with self.assertRaises(StatusError) as caught:
            self.call(bytes((1 << 20) + 1))
        self.assertEqual(caught.exception.code, Code.TOO_LARGE)
        self.assertEqual(self.sent(), [])


class Fragments(Script):
    def test_sent(self) -> None:
        call = self.call(b"x" * 150_000)
        bind, *parts = self.sent()
        self.assertEqual([len(f.payload) for f in parts], [65536, 65536, 150_000 - 2 * 65536])
        self.assertEqual([f.flags for f in parts], [wire.MORE, wire.MORE, wire.END])
        self.assertEqual({(f.kind, f.id, f.route) for f in parts}, {(wire.CALL, call.id, 1)})

    def test_short_calls_overtake(self) -> None:
        self.call(b"x" * 1_000_000)
        self.sent_some(100_000)
        short = self.call()
        self.assertIn(short.id, [f.id for f in self.sent_some(100_000)])

    def sent_some(self, room: int) -> List[Frame]:
        splitter, frames = wire.Splitter(), []
        splitter.feed(self.session.data_to_send(room))
        raw = splitter.next()
        while raw is not None:
            frames.append(wire.parse_frame(raw))
            raw = splitter.next()
        return frames

    def test_interleaved(self) -> None:
        a, b = self.call(b"a" * 200_000), self.call(b"b" * 200_000)
        ids = [f.id for f in self.sent() if f.kind == wire.CALL]
        self.assertEqual(ids, [a.id, b.id] * 4)

    def test_budget(self) -> None:
        """What is unfinished stays below four times the peer's limit."""
        self.make()
        self.shake(limits={**LIMITS, "message": 100_000, "calls": 8})
        for _ in range(8):
            self.call(b"x" * 100_000)
        unfinished, most, whole = set(), 0, 0
        for f in self.sent():
            if f.kind == wire.CALL:
                unfinished.add(f.id)
                most = max(most, len(unfinished))
                if not f.flags & wire.MORE:
                    unfinished.remove(f.id)
                    whole += 1
        self.assertEqual((most, whole), (4, 8))

    def test_cancel_before_the_end(self) -> None:
        call = self.call(b"x" * 1_000_000)
        self.sent_some(100_000)
        self.session.cancel(call)
        self.assertEqual([(f.kind, f.id) for f in self.sent()], [(wire.ABORT, call.id)])
        self.assertFalse(call.done)
        self.say(wire.FAIL, wire.END, id=call.id, payload=wire.pack_status(Code.CANCELLED))
        self.assertTrue(call.done)

    def test_cancel_before_the_beginning(self) -> None:
        call = self.call(b"x" * 1_000_000)
        self.session.cancel(call)
        self.assertEqual(self.kinds(), [wire.BIND])
        assert call.error is not None
        self.assertEqual((call.error.code, call.error.retryable, self.session.pending), (Code.CANCELLED, True, 0))

    def test_answer_before_the_end(self) -> None:
        call = self.call(b"x" * 1_000_000)
        self.sent_some(100_000)
        self.say(wire.FAIL, wire.END, id=call.id, payload=wire.pack_status(Code.TOO_LARGE))
        self.assertEqual([(f.kind, f.id) for f in self.sent()], [(wire.ABORT, call.id)])
        self.assertTrue(call.done)

    def test_received(self) -> None:
        call = self.call()
        ext = wire.pack_extension(wire.EXT_TRACE, b"t")
        self.say(wire.REPLY, wire.MORE, codec=1, id=call.id, ext=ext, payload=b'"ab')
        self.say(wire.REPLY, wire.MORE, id=call.id, payload=b"cd")
        self.assertFalse(call.done)
        self.say(wire.REPLY, wire.END, id=call.id, payload=b'ef"')
        self.assertEqual(call.reply, Item(1, b'"abcdef"', ext))

    def test_received_too_large(self) -> None:
        call = self.call()
        for _ in range(4):
            self.say(wire.REPLY, wire.MORE, id=call.id, payload=bytes(60_000))
        assert call.error is not None
        self.assertEqual((call.error.code, self.session.pending), (Code.TOO_LARGE, 1))
        self.say(wire.REPLY, wire.END, id=call.id, payload=bytes(60_000))
        self.assertEqual((self.session.state, self.session.pending), ("open", 0))

    def test_too_many_bytes(self) -> None:
        self.make(max_message=100_000, max_calls=1000)
        self.shake(limits={**LIMITS, "calls": 1000})
        calls = [self.call() for _ in range(100)]
        for call in calls:
            self.say(wire.REPLY, wire.MORE, id=call.id, payload=bytes(60_000))
            if self.session.state == "closed":
                break
        self.ends(Code.LIMIT_EXCEEDED)

    def test_too_many(self) -> None:
        self.make(max_calls=3)
        self.shake()
        for n in range(4):
            self.say(wire.EVENT, wire.MORE, route=n + 1)
        self.ends(Code.PROTOCOL)

    def test_final_cuts_an_item(self) -> None:
        call = self.call(shape=wire.SERVER_STREAM)
        self.say(wire.DATA, wire.MORE, id=call.id, payload=b"half")
        self.say(wire.REPLY, wire.MORE, codec=1, id=call.id, payload=b"[1,")
        self.say(wire.REPLY, wire.END, id=call.id, payload=b"2]")
        assert call.reply is not None
        self.assertEqual((call.reply.payload, len(call.items)), (b"[1,2]", 0))

    def test_abort(self) -> None:
        self.say(wire.BIND, route=1, payload=METHOD.pack())
        number = first_id(parity=1)
        self.say(wire.CALL, wire.MORE, id=number, route=1, payload=b"half")
        self.say(wire.ABORT, id=number)
        final = self.sent()[-1]
        self.assertEqual((final.kind, final.id, wire.parse_error(final.payload).code), (wire.FAIL, number, Code.CANCELLED))
        self.assertEqual(self.host.calls, [])


class Streams(Script):
    def test_credit_to_send(self) -> None:
        call = self.call(shape=wire.CLIENT_STREAM)
        self.sent()
        item = Item(1, bytes(436))  # costs 500
        self.assertEqual([self.session.send_item(call, item) for _ in range(3)], [True, True, False])
        self.say(wire.CREDIT, id=call.id, payload=wire.pack_credit(1001, 0))
        self.assertTrue(self.session.send_item(call, Item(1, bytes(100_000))), "a message may begin below the limit")
        self.assertFalse(self.session.send_item(call, item))
        self.say(wire.CREDIT, id=call.id, payload=wire.pack_credit(500, 0))  # smaller: ignored
        self.assertFalse(self.session.send_item(call, item))
        self.session.end_items(call)
        frames = self.sent()
        self.assertEqual((frames[-1].kind, frames[-1].flags, frames[-1].payload), (wire.DATA, wire.END, b""))
        with self.assertRaises(StatusError):
            self.session.send_item(call, item)

    def test_credit_to_receive(self) -> None:
        call = self.call(shape=wire.SERVER_STREAM)
        self.sent()
        for _ in range(2):
            self.say(wire.DATA, codec=1, id=call.id, payload=bytes(436))
        self.assertEqual(self.sent(), [])
        self.session.take_item(call)
        grants = [wire.parse_credit(f.payload)[0] for f in self.sent() if f.kind == wire.CREDIT]
        self.assertEqual(grants, [1500])
        self.say(wire.DATA, id=call.id, payload=bytes(436))
        self.assertEqual((len(call.items), self.session.state), (2, "open"))
        self.say(wire.DATA, id=call.id, payload=b"")
        self.ends(Code.PROTOCOL)

    def test_items_before_the_end(self) -> None:
        call = self.call(shape=wire.SERVER_STREAM)
        self.say(wire.DATA, codec=1, id=call.id, payload=b"1")
        self.say(wire.FAIL, wire.END, id=call.id, payload=wire.pack_status(Code.FAILED))
        self.assertIsNotNone(self.session.take_item(call))
        self.assertIsNone(self.session.take_item(call))
        self.assertEqual(self.session.queued, 0)

    def test_labels(self) -> None:
        call = self.call(shape=wire.SERVER_STREAM)
        self.say(wire.BIND, route=7, payload=Bind(wire.LABEL, "feed", "news").pack())
        self.say(wire.SOURCE, source=5, payload=wire.pack_source("alice"))
        self.say(wire.DATA, codec=1, id=call.id, route=7, source=5, sequence=9, payload=b"1")
        item = self.session.take_item(call)
        assert item is not None and item.label is not None
        self.assertEqual((item.label.name, item.sequence, self.session.source_name(item.source)), ("news", 9, "alice"))
        self.assertEqual((self.session.source_name(0), self.session.source_name(77)), ("srv", ""))

    def test_too_much_waits(self) -> None:
        self.make(max_queued=1500, stream_window=1_000_000)
        self.shake()
        call = self.call(shape=wire.SERVER_STREAM)
        for _ in range(20):
            self.say(wire.DATA, id=call.id, payload=bytes(100))
        self.ends(Code.LIMIT_EXCEEDED)


class Emitting(Script):
    def emit(self, name: str, payload: bytes = b"1") -> bool:
        return self.session.emit(topic(name), Item(1, payload))

    def confirm(self) -> None:
        for f in self.sent():
            if f.kind == wire.PING:
                self.say(wire.PONG, payload=f.payload)

    def test_accepted(self) -> None:
        self.assertFalse(self.emit("a"))
        self.assertFalse(self.emit("a"))
        bind, ping = self.sent()
        self.assertEqual((bind.kind, ping.kind), (wire.BIND, wire.PING))
        self.say(wire.PONG, payload=ping.payload)
        self.assertTrue(self.emit("a") and self.emit("a"))
        self.assertEqual([(f.kind, f.flags, f.route, f.sequence) for f in self.sent()],
                         [(wire.PUBLISH, wire.ONEWAY, 1, 1), (wire.PUBLISH, wire.ONEWAY, 1, 2)])

    def test_refused(self) -> None:
        self.emit("a")
        ping = self.sent()[1]
        self.say(wire.REVOKE, wire.END, route=1, payload=wire.pack_status(Code.UNDECLARED, "no"))
        self.say(wire.PONG, payload=ping.payload)
        with self.assertRaises(StatusError) as caught:
            self.emit("a")
        self.assertEqual(caught.exception.code, Code.UNDECLARED)
        self.assertFalse(self.emit("a"))  # asks anew
        self.assertEqual(self.kinds(), [wire.BIND, wire.PING])

    def test_credit(self) -> None:
        self.emit("a")
        self.confirm()
        self.assertEqual([self.emit("a", bytes(436)) for _ in range(3)], [True, True, False])
        rooms = self.host.rooms
        self.say(wire.CREDIT, route=1, payload=wire.pack_credit(2000, 1))
        self.assertGreater(self.host.rooms, rooms)
        self.assertTrue(self.emit("a"))

    def test_numbers_are_taken_over(self) -> None:
        for name in ("a", "b", "c", "a"):
            self.assertFalse(self.emit(name))
            self.confirm()
            self.assertTrue(self.emit(name))
            self.assertIn(self.sent()[-1].route, (1, 2))

    def test_stale_credit(self) -> None:
        """Credit for the route that had the number before is none for the present one."""
        for name in ("a", "b"):
            self.emit(name)
            self.confirm()
        self.emit("c")
        self.say(wire.CREDIT, route=1, payload=wire.pack_credit(1 << 40, 1))
        self.confirm()
        self.assertEqual([self.emit("c", bytes(436)) for _ in range(3)], [True, True, False])

    def test_stale_pong(self) -> None:
        self.emit("a")
        first = self.sent()[1]
        self.emit("b")
        self.confirm()
        self.emit("c")
        self.emit("a")
        self.sent()
        self.say(wire.PONG, payload=first.payload)
        self.assertFalse(self.emit("a"))

    def test_unfinished_messages_keep_their_number(self) -> None:
        self.emit("a")
        self.confirm()
        self.assertTrue(self.emit("a", bytes(200_000)))  # not sent yet
        for name in ("b", "c", "d"):
            self.emit(name)
        bound = [f.route for f in self.sent() if f.kind == wire.BIND]
        self.assertEqual(bound, [2, 2, 2])


class Serving(Script):
    def serve(self, slot: int = 0, generation: int = 1, flags: int = wire.END, **fields: Any) -> Exchange:
        self.say(wire.BIND, route=1, payload=METHOD.pack())
        fields.setdefault("codec", 1)
        self.say(wire.CALL, flags, id=first_id(slot, generation, 1), route=1, **fields)
        return self.host.calls[-1]

    def final(self) -> Frame:
        finals = [f for f in self.sent() if f.kind in (wire.REPLY, wire.FAIL)]
        self.assertEqual(len(finals), 1)
        return finals[0]

    def code(self) -> int:
        return wire.parse_error(self.final().payload).code

    def test_reply(self) -> None:
        call = self.serve(payload=b"[1]")
        self.assertEqual((call.target, call.request), ("add", Item(1, b"[1]")))
        self.assertTrue(self.session.reply(call, Item(1, b"1")))
        self.assertFalse(self.session.reply(call, Item(1, b"2")))
        self.assertEqual(self.final().payload, b"1")

    def test_refusals(self) -> None:
        number = first_id(parity=1)
        self.say(wire.CALL, wire.END, id=number, route=3)
        self.assertEqual(self.code(), Code.PROTOCOL)
        self.say(wire.BIND, route=3, payload=Bind(wire.METHOD, "", "refused").pack())
        self.assertEqual(self.sent(), [])
        self.say(wire.CALL, wire.END, id=number, route=3)
        self.assertEqual(self.code(), Code.PERMISSION_DENIED)
        self.say(wire.BIND, route=3, payload=Bind(wire.METHOD, "", "add", "somebody").pack())
        self.say(wire.CALL, wire.END, id=number, route=3)
        self.assertEqual(self.code(), Code.NOT_FOUND)

    def test_cancel(self) -> None:
        call = self.serve()
        self.say(wire.CANCEL, id=call.id)
        assert call.cancelled is not None
        self.assertEqual(self.code(), Code.CANCELLED)
        self.assertFalse(self.session.reply(call, Item(1, b"1")))
        self.assertEqual(self.sent(), [])

    def test_deadline(self) -> None:
        self.serve(deadline=2_000_000)
        self.now = 1.9
        self.assertAlmostEqual(self.session.tick() or 0, 0.1)
        self.now = 2.0
        self.session.tick()
        self.assertEqual(self.code(), Code.DEADLINE_EXCEEDED)

    def test_answer_too_large(self) -> None:
        call = self.serve()
        self.session.reply(call, Item(1, bytes((1 << 20) + 1)))
        self.assertEqual(self.code(), Code.TOO_LARGE)

    def test_request_too_large(self) -> None:
        self.say(wire.BIND, route=1, payload=METHOD.pack())
        for _ in range(4):
            self.say(wire.CALL, wire.MORE, id=first_id(parity=1), route=1, payload=bytes(60_000))
        self.say(wire.CALL, wire.END, id=first_id(parity=1), route=1, payload=bytes(60_000))
        self.assertEqual((self.code(), self.host.calls), (Code.TOO_LARGE, []))

    def test_events(self) -> None:
        self.say(wire.BIND, route=1, payload=Bind(wire.EVENT_TO_ONE, "", "ev").pack())
        for n in range(2):
            self.say(wire.EVENT, wire.ONEWAY, route=1, sequence=n + 1, payload=bytes(436))
        self.assertEqual([e.bind.name for e in self.host.events], ["ev", "ev"])
        self.assertEqual(self.sent(), [])
        self.session.consumed(self.host.events[0])
        self.assertEqual([wire.parse_credit(f.payload) for f in self.sent()], [(1500, 1)])

    def test_no_credit_for_an_earlier_binding(self) -> None:
        self.say(wire.BIND, route=1, payload=Bind(wire.EVENT_TO_ONE, "", "ev").pack())
        self.say(wire.EVENT, wire.ONEWAY, route=1, sequence=1, payload=bytes(900))
        self.say(wire.BIND, route=1, payload=Bind(wire.EVENT_TO_ONE, "", "other").pack())
        self.session.consumed(self.host.events[0])
        self.assertEqual((self.sent(), self.session.queued), ([], 0))

    def test_event_refused(self) -> None:
        for n, kind in enumerate((wire.EVENT_TO_ONE, wire.BROADCAST, wire.TOPIC, 200)):
            self.say(wire.BIND, route=n + 1, payload=Bind(kind, "", "refused").pack())
            revoke = self.sent()[0]
            self.assertEqual((revoke.kind, revoke.flags, revoke.route), (wire.REVOKE, wire.END, n + 1))
        self.say(wire.EVENT, wire.ONEWAY, route=1)  # was under way
        self.assertEqual((self.host.events, self.session.state), ([], "open"))

    def test_ping(self) -> None:
        self.say(wire.PING, payload=b"abc")
        self.assertEqual([(f.kind, f.payload) for f in self.sent()], [(wire.PONG, b"abc")])

    def test_timers_do_not_pile_up(self) -> None:
        for n in range(500):
            self.session.reply(self.serve(0, n + 1, deadline=2**32 - 1), Item(1, b"1"))
        self.assertLess(len(self.session._timers), 100)


class Violations(Script):
    def test_violations(self) -> None:
        number = first_id(parity=1)
        bound = Frame(wire.BIND, route=1, payload=Bind(wire.EVENT_TO_ONE, "", "ev").pack())
        for name, frames in {
            "short frame": [b"\x08\0\0\0abcd"],
            "extensions beyond the end": [b"\x28\0\0\0\x0a\0\0\x01" + bytes(32)],
            "unknown kind": [Frame(200)],
            "reserved kind": [Frame(wire.INTRODUCE)],
            "hello again": [Frame(wire.HELLO, payload=b"{}")],
            "bind malformed": [Frame(wire.BIND, route=1, payload=b"\1\5x")],
            "bind 0": [bound._replace(route=0)],
            "bind too high": [bound._replace(route=4097)],
            "credit malformed": [Frame(wire.CREDIT, id=first_id(), payload=b"1")],
            "source malformed": [Frame(wire.SOURCE, source=1, payload=b"\5x")],
            "long ping": [Frame(wire.PING, payload=bytes(65))],
            "our parity": [Frame(wire.CALL, wire.END, id=first_id(), route=1)],
            "slot too high": [Frame(wire.CALL, wire.END, id=first_id(1024, 1, 1), route=1)],
            "slot in use": [bound._replace(payload=METHOD.pack()), Frame(wire.CALL, wire.END, id=number, route=1),
                            Frame(wire.CALL, wire.END, id=first_id(0, 2, 1), route=1)],
            "event on no route": [Frame(wire.EVENT, wire.ONEWAY, route=1)],
            "event without credit": [bound, *[Frame(wire.EVENT, wire.ONEWAY, route=1, payload=bytes(936))] * 2],
        }.items():
            with self.subTest(name):
                self.make()
                self.shake()
                for f in frames:
                    self.session.receive(f if isinstance(f, bytes) else f.pack())
                self.ends(Code.PROTOCOL)
                last = self.sent()[-1]
                self.assertEqual((last.kind, last.flags, wire.parse_error(last.payload).code), (wire.GOAWAY, wire.END, Code.PROTOCOL))

    def test_ignorable(self) -> None:
        self.say(200, wire.IGNORABLE, payload=b"?")
        self.say(15, wire.IGNORABLE)
        self.say(wire.INTRODUCE, wire.IGNORABLE)
        self.assertEqual(self.session.state, "open")

    def test_garbage(self) -> None:
        """Whatever comes, nothing but the session ends."""
        import random

        source = random.Random(1)
        kinds = [*range(0, 22), 200]
        for _ in range(300):
            self.make()
            self.shake()
            self.call()
            for _ in range(20):
                fields = [source.choice(kinds), source.randrange(16), source.randrange(3), source.choice([0, first_id(), first_id(parity=1), 5]),
                          source.choice([0, 1, 2])]
                payload = source.choice([b"", METHOD.pack(), bytes(16), source.randbytes(source.randrange(40))])
                self.session.receive(Frame(*fields, payload=payload).pack())


class Heartbeat(Script):
    def test_silence(self) -> None:
        self.make(heartbeat=10.0)
        self.shake()
        self.assertEqual(self.session.tick(), 10.0)
        for n in range(1, 4):
            self.now = 10.0 * n
            self.session.tick()
            self.assertEqual(self.kinds(), [wire.PING])
        self.say(wire.PONG, payload=bytes(8))
        self.now = 39.0
        self.session.tick()
        self.assertEqual(self.sent(), [])
        for n in range(4, 8):
            self.now = 10.0 * n
            self.session.tick()
        self.ends(Code.PEER_GONE)


if __name__ == "__main__":
    unittest.main()
