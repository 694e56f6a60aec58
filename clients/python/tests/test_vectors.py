# SPDX-License-Identifier: Apache-2.0
"""The vectors that the Go packages test themselves against."""

from __future__ import annotations

import os
import struct
import sys
import unittest
from typing import Any, Callable, Dict

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer

from plexus_ipc import auth, codec, wire


def _frame(raw: bytes) -> Dict[str, Any]:
    fields = wire.parse_frame(raw)._asdict()
    told = {k: v for k, v in fields.items() if v and k not in ("ext", "payload")}
    return {**told, "extensions": fields["ext"].hex(), "payload": fields["payload"].hex()}


def _pack_frame(f: Dict[str, Any]) -> bytes:
    numbers = {k: v for k, v in f.items() if k not in ("extensions", "payload")}
    return wire.Frame(**numbers, ext=bytes.fromhex(f["extensions"]), payload=bytes.fromhex(f["payload"])).pack()


def _bind(raw: bytes) -> Dict[str, Any]:
    b = wire.parse_bind(raw)
    return {"class": b.kind, "channel": b.channel, "name": b.name, "target": b.target}


def _status(raw: bytes) -> Dict[str, Any]:
    code, retry, message, details = wire.parse_status(raw)
    return {"code": code, "retry": retry, "message": message, "details": details.hex()}


def _bits(raw: bytes) -> Dict[str, Any]:
    bits = struct.unpack("<I", raw)[0]
    return {"priority": bits & 7, "shape": wire.Frame(wire.CALL, bits=bits).shape, "idempotent": bool(bits >> 8 & 1)}


def _hello(raw: bytes) -> Dict[str, Any]:
    return {k: v for k, v in wire.parse_hello(raw).items() if v}


def _hexed(parse: Callable[[bytes], Dict[str, Any]]) -> Callable[[bytes], Dict[str, Any]]:
    def parse_hex(raw: bytes) -> Dict[str, Any]:
        body = parse(raw)
        body["data"] = body["data"].hex()
        return {k: v for k, v in body.items() if v}

    return parse_hex


def _transcript(f: Dict[str, str]) -> bytes:
    return auth.transcript(*(bytes.fromhex(f[k]) for k in ("client", "server", "binding")))


PARSE: Dict[str, Callable[[bytes], Any]] = {
    "preface": lambda raw: dict(zip(("major", "minor"), wire.parse_preface(raw))),
    "frame": _frame,
    "extensions": lambda raw: [{"type": t, "data": d.hex()} for t, d in wire.parse_extensions(raw)],
    "headers": lambda raw: [list(pair) for pair in wire.parse_headers(raw)],
    "bind": _bind,
    "credit": lambda raw: dict(zip(("limit", "acked"), wire.parse_credit(raw))),
    "source": lambda raw: {"member": wire.parse_source(raw)},
    "status": _status,
    "bits": _bits,
    "id": lambda raw: dict(zip(("parity", "slot", "generation"), wire.split_id(struct.unpack("<I", raw)[0]))),
    "hello": _hello,
    "auth": _hexed(wire.parse_auth),
    "upgrade": _hexed(wire.parse_upgrade),
}

PACK: Dict[str, Callable[[Any], bytes]] = {
    "preface": lambda f: wire.pack_preface(**f),
    "frame": _pack_frame,
    "extensions": lambda f: b"".join(wire.pack_extension(x["type"], bytes.fromhex(x["data"])) for x in f),
    "headers": lambda f: wire.pack_headers([tuple(pair) for pair in f]),
    "bind": lambda f: wire.Bind(f["class"], f["channel"], f["name"], f["target"]).pack(),
    "credit": lambda f: wire.pack_credit(**f),
    "source": lambda f: wire.pack_source(f["member"]),
    "status": lambda f: wire.pack_status(f["code"], f["message"], bytes.fromhex(f["details"]), f["retry"]),
    "bits": lambda f: struct.pack("<I", wire.make_bits(**f)),
    "id": lambda f: struct.pack("<I", wire.make_id(f["parity"], f["slot"], f["generation"])),
    "transcript": _transcript,
}


class WireVectors(unittest.TestCase):
    def test_wire(self) -> None:
        for v in peer.vectors("wire/testdata/vectors.json")["vectors"]:
            with self.subTest(kind=v["kind"], name=v["name"]):
                self.check(v, bytes.fromhex(v["hex"]) * v.get("repeat", 1))

    def check(self, v: Dict[str, Any], raw: bytes) -> None:
        parse = PARSE.get(v["kind"])
        if "error" in v:
            assert parse is not None
            with self.assertRaises(wire.WireError) as caught:
                parse(raw)
            self.assertEqual(caught.exception.reason, v["error"])
            return
        if parse is not None:
            self.assertEqual(parse(raw), v["fields"])
        if not v.get("decode_only"):
            self.assertEqual(PACK[v["kind"]](v["fields"]).hex(), raw.hex())

    def test_splitter(self) -> None:
        """However the bytes are cut, the frames are the same."""
        frames = [bytes.fromhex(v["hex"]) for v in peer.vectors("wire/testdata/vectors.json")["vectors"]
                  if v["kind"] == "frame" and "fields" in v]
        stream = b"".join(frames)
        for size in (1, 2, 3, 7, 40, 41, 1000, len(stream)):
            splitter, got = wire.Splitter(), []
            for at in range(0, len(stream), size):
                splitter.feed(stream[at : at + size])
                frame = splitter.next()
                while frame is not None:
                    got.append(frame)
                    frame = splitter.next()
            self.assertEqual(got, frames)

    def test_splitter_refuses(self) -> None:
        for size in (0, 7, wire.MAX_FRAME + 1, 0xFFFFFFFF, int.from_bytes(b"HTTP", "little")):
            splitter = wire.Splitter()
            splitter.feed(struct.pack("<I", size))
            with self.assertRaises(wire.WireError):
                splitter.next()


class AuthVectors(unittest.TestCase):
    def test_secret(self) -> None:
        for v in peer.vectors("auth/testdata/vectors.json"):
            with self.subTest(v["comment"]):
                secret, digest = bytes.fromhex(v["secret"]), bytes.fromhex(v["transcript"])
                proof = auth.client_proof(secret, digest)
                self.assertEqual(proof.hex(), v["client_proof"])
                self.assertEqual(auth.server_proof(secret, digest, proof).hex(), v["server_proof"])

    def test_conjunction(self) -> None:
        exchange = auth.Exchange("peer+secret", b"s", b"t" * 32)
        first = exchange.first()
        self.assertEqual((first[:4], len(first)), (b"\0\0\x20\0", 36))
        exchange.check(b"\0\0\x20\0" + auth.server_proof(b"s", b"t" * 32, first[4:]))
        self.assertTrue(exchange.complete)


class CodecVectors(unittest.TestCase):
    def test_codecs(self) -> None:
        checks = {"raw": self.raw, "json": self.json, "fixed": self.fixed}
        seen = set()
        for v in peer.vectors("codec/testdata/vectors.json")["vectors"]:
            if v["codec"] in checks:
                seen.add(v["codec"])
                with self.subTest(codec=v["codec"], name=v["name"]):
                    checks[v["codec"]](v, bytes.fromhex(v["hex"]))
        self.assertEqual(seen, set(checks))

    def raw(self, v: Dict[str, Any], raw: bytes) -> None:
        value = v["value"]
        value = bytes.fromhex(value["$bytes"]) if isinstance(value, dict) else value
        self.assertEqual(codec.encode_as(codec.RAW, value), raw)
        self.assertEqual(codec.decode(codec.RAW, raw), raw)

    def json(self, v: Dict[str, Any], raw: bytes) -> None:
        if "refuse" in v:
            self.refused(v, lambda: codec.load_json(raw))
            return
        self.assertEqual(codec.load_json(raw), v["value"])
        if not v.get("decode_only"):
            self.assertEqual(codec.dump_json(v["value"]), raw)

    def fixed(self, v: Dict[str, Any], raw: bytes) -> None:
        fixed = codec.Fixed(v["layout"])
        if "refuse" in v:
            self.refused(v, lambda: fixed.decode(codec.Encoded(codec.FIXED, raw)))
            return
        self.assertEqual(fixed.encode(v["value"]).payload, raw)
        again = fixed.encode(fixed.decode(codec.Encoded(codec.FIXED, raw)))
        self.assertEqual(again.payload, raw)

    def refused(self, v: Dict[str, Any], decode: Callable[[], Any]) -> None:
        with self.assertRaises(codec.CodecError) as caught:
            decode()
        self.assertEqual(caught.exception.reason, v["refuse"])

    def test_bombs(self) -> None:
        for raw in (b"[" * 100000, b'{"a":' * 100000, b"[" * 33 + b"]" * 33, b"9" * 100000, b"NaN", b"-Infinity"):
            with self.subTest(raw[:8]), self.assertRaises(codec.CodecError):
                codec.load_json(raw)


if __name__ == "__main__":
    unittest.main()
