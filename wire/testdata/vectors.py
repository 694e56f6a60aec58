# SPDX-License-Identifier: Apache-2.0
"""Makes vectors.json: python3 vectors.py > vectors.json

A second implementation of the encodings of docs/protocol.md, from its words and the
standard library alone.
"""

import hashlib
import json
import struct

ABOUT = [
    "Bytes of the Plexus protocol, for implementations in other languages. Apache-2.0. docs/protocol.md is the text.",
    "A vector says: the fields encode to hex, and hex parses to the fields. With decode_only, hex is accepted but not what is sent.",
    "With error, hex must be refused; the text is the reason: short, length, extension, trailing, preface, json, deep, long.",
    "kind is preface, frame, extensions, headers, bind, credit, source, status, bits, id, hello, auth, upgrade or transcript. Bytes are hex.",
    "frame: the header fields that are not 0, without length and ext; extensions and payload. extensions: type and data of each. headers: the data of extension 1.",
    "bits and id: hex is the u32 as it lies in the header. hello, auth, upgrade: hex is the JSON body; auth data is bytes after base64.",
    "repeat: hex is to be repeated that often, to make something long. transcript: hex is the SHA-256 of client, server (JSON bodies) and binding.",
]


def u8len(text):
    raw = text.encode()
    return bytes([len(raw)]) + raw


def preface(major=1, minor=0):
    return struct.pack("<I6sBB4s", 16, b"PLEXUS", major, minor, b"\r\n\r\n")


def frame(kind, flags=0, codec=0, id=0, route=0, source=0, sequence=0, deadline=0, bits=0, ext=b"", payload=b"", length=None, words=None):
    size = 40 + len(ext) + len(payload) if length is None else length
    words = len(ext) // 8 if words is None else words
    return struct.pack("<IBBBBIIQQII", size, kind, flags, codec, words, id, route, source, sequence, deadline, bits) + ext + payload


def extension(typ, data):
    return struct.pack("<BBH", typ, 0, len(data)) + data + bytes(-(4 + len(data)) % 8)


def headers(pairs):
    return b"".join(u8len(k) + struct.pack("<H", len(v.encode())) + v.encode() for k, v in pairs)


def bind(cls, channel, name, target):
    return bytes([cls]) + u8len(channel) + u8len(name) + u8len(target)


def status(code, retry, message, details=b""):
    return struct.pack("<HBBI", code, retry, 0, len(message.encode())) + message.encode() + details


def call_bits(priority, shape, idempotent):
    return struct.pack("<I", priority | shape << 4 | idempotent << 8)


def call_id(parity, slot, generation):
    return struct.pack("<I", generation << 19 | slot << 1 | parity)


def transcript(client, server, binding):
    parts = b"".join(struct.pack("<I", len(p)) + p for p in (client, server, binding))
    return hashlib.sha256(b"plexus transcript v1" + parts).digest()


VECTORS = []


def good(kind, name, fields, raw, **more):
    VECTORS.append({"kind": kind, "name": name, "fields": fields, "hex": raw.hex(), **more})


def bad(kind, name, error, raw, **more):
    VECTORS.append({"kind": kind, "name": name, "error": error, "hex": raw.hex(), **more})


def good_frame(name, kind, ext=b"", payload=b"", **fields):
    told = {"kind": kind, **{k: v for k, v in fields.items() if v}, "extensions": ext.hex(), "payload": payload.hex()}
    good("frame", name, told, frame(kind, ext=ext, payload=payload, **fields))


def good_bind(name, cls, channel, member, target=""):
    good("bind", name, {"class": cls, "channel": channel, "name": member, "target": target}, bind(cls, channel, member, target))


def good_status(name, code, retry, message, details=b"", raw=None, **more):
    fields = {"code": code, "retry": retry, "message": message, "details": details.hex()}
    good("status", name, fields, status(code, retry, message, details) if raw is None else raw, **more)


def body(kind, name, fields, text=None, **more):
    raw = text if text is not None else json.dumps(fields, separators=(",", ":"))
    good(kind, name, fields, raw.encode(), decode_only=True, **more)


good("preface", "version 1.0", {"major": 1, "minor": 0}, preface())
good("preface", "a later minor version", {"major": 1, "minor": 7}, preface(1, 7))
good("preface", "another major version parses", {"major": 2, "minor": 0}, preface(2))
good("preface", "the last four bytes are not looked at", {"major": 1, "minor": 0}, preface()[:12] + b"\1\2\3\4", decode_only=True)
bad("preface", "short", "preface", preface()[:15])
bad("preface", "long", "preface", preface() + b"\0")
bad("preface", "another length", "preface", b"\x11" + preface()[1:])
bad("preface", "another magic", "preface", preface().replace(b"PLEXUS", b"PLEXOS"))
bad("preface", "HTTP", "preface", b"GET / HTTP/1.1\r\n")

good_frame("the smallest", 11)
good_frame("all fields", 16, flags=4, codec=1, id=0x00080001, route=2, source=0x1122334455667788, sequence=0x99AABBCCDDEEFF00,
           deadline=5_000_000, bits=0x115, ext=extension(3, struct.pack("<q", 1_700_000_000_000_000_000)), payload=b'{"a":1}')
good_frame("a call", 16, flags=4, codec=1, id=0x80000, route=1, payload=b"[20,22]")
good_frame("its reply", 18, flags=4, codec=1, id=0x80000, payload=b"42")
good_frame("its failure", 19, flags=4, id=0x80000, payload=status(5, 0, "no method"))
good_frame("a fragment", 17, flags=2, codec=0, id=0x80002, payload=b"\xff" * 32)
good_frame("end of a direction", 17, flags=4, id=0x80002)
good_frame("an event", 20, flags=8, codec=0, route=7, source=3, sequence=1, payload=b"\0\1\2")
good_frame("a publication", 21, flags=8, codec=1, route=7, sequence=2, payload=b"null")
good_frame("a ping", 10, payload=struct.pack("<Q", 1))
good_frame("a credit for a stream", 7, id=0x80002, payload=struct.pack("<QQ", 1 << 20, 0))
good_frame("a credit for a route", 7, route=9, payload=struct.pack("<QQ", 1 << 20, 17))
good_frame("a refusal", 5, flags=4, route=9, payload=status(14, 0, "undeclared"))
good_frame("the last words", 12, flags=4, payload=status(6, 0, "the other side closed the session"))
good_frame("unknown and ignorable", 200, flags=1, payload=b"?")
good_frame("all ones", 255, flags=255, codec=255, id=2**32 - 1, route=2**32 - 1, source=2**64 - 1, sequence=2**64 - 1,
           deadline=2**32 - 1, bits=2**32 - 1)
good_frame("the longest extensions", 16, id=0x80000, route=1, ext=extension(99, bytes(2036)))
bad("frame", "empty", "short", b"")
bad("frame", "39 bytes", "short", frame(10)[:39])
bad("frame", "length says less", "length", frame(10, length=39))
bad("frame", "length says more", "length", frame(10, length=41))
bad("frame", "length is huge", "length", frame(10, length=2**32 - 1))
bad("frame", "extensions beyond the end", "short", frame(16, words=1))
bad("frame", "extensions far beyond the end", "short", frame(16, words=255, payload=bytes(2039)))

good("extensions", "none", [], b"")
good("extensions", "one without data", [{"type": 2, "data": ""}], extension(2, b""))
good("extensions", "without padding", [{"type": 2, "data": "01020304"}], extension(2, b"\1\2\3\4"))
good("extensions", "with padding", [{"type": 3, "data": "0102030405060708"}], extension(3, bytes(range(1, 9))))
good("extensions", "several", [{"type": 1, "data": headers([("k", "v")]).hex()}, {"type": 99, "data": "ff"}, {"type": 2, "data": ""}],
     extension(1, headers([("k", "v")])) + extension(99, b"\xff") + extension(2, b""))
good("extensions", "padding is not looked at", [{"type": 2, "data": "01"}], b"\2\xff\1\0\1\xff\xff\xff", decode_only=True)
bad("extensions", "type 0", "extension", bytes(8))
bad("extensions", "half a word", "extension", extension(2, b"")[:4])
bad("extensions", "longer than the section", "extension", b"\2\0\5\0" + b"data")
bad("extensions", "the second is cut", "extension", extension(2, b"") + b"\2\0\xff\xff" + b"data")

good("headers", "none", [], b"")
good("headers", "one", [["traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]],
     headers([("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]))
good("headers", "two, one empty", [["ä", ""], ["k", "v"]], headers([("ä", ""), ("k", "v")]))
bad("headers", "empty key", "extension", b"\0\0\0")
bad("headers", "key is cut", "extension", b"\5key")
bad("headers", "no value", "extension", b"\3key\1")
bad("headers", "value is cut", "extension", b"\3key\5\0val")

good_bind("a method", 1, "math", "add")
good_bind("direct", 1, "", "add")
good_bind("an event for one", 2, "chat", "hello", "alice")
good_bind("a broadcast", 3, "chat", "hello")
good_bind("a topic", 4, "feed", "quotes.acme")
good_bind("a label", 5, "feed", "quotes.acme")
good_bind("a class nobody knows yet", 200, "feed", "x")
good_bind("UTF-8", 1, "küche", "größe")
good_bind("the longest names", 2, "c" * 255, "n" * 255, "t" * 255)
bad("bind", "empty", "short", b"")
bad("bind", "class only", "short", b"\1")
bad("bind", "no target", "short", bind(1, "c", "n", "")[:-1])
bad("bind", "name is cut", "short", b"\1\1c\xffn")
bad("bind", "bytes behind it", "trailing", bind(1, "c", "n", "t") + b"\0")

good("credit", "half a window", {"limit": 393216, "acked": 0}, struct.pack("<QQ", 393216, 0))
good("credit", "large", {"limit": 2**63 + 1, "acked": 2**64 - 1}, struct.pack("<QQ", 2**63 + 1, 2**64 - 1))
bad("credit", "empty", "short", b"")
bad("credit", "short", "short", bytes(15))
bad("credit", "long", "short", bytes(17))

good("source", "a member", {"member": "alice"}, u8len("alice"))
good("source", "no name", {"member": ""}, u8len(""))
bad("source", "empty", "short", b"")
bad("source", "cut", "short", b"\5alic")
bad("source", "bytes behind it", "trailing", u8len("alice") + b"!")

good_status("with a message", 17, 0, "the peer broke the protocol")
good_status("with details", 20, 2, "no", b"\0\1\2")
good_status("without a message", 8, 1, "")
good_status("an unknown code", 999, 0, "?")
good_status("UTF-8", 3, 0, "größer als 3")
good_status("empty is nothing said", 0, 0, "", raw=b"", decode_only=True)
good_status("the fourth byte is not looked at", 1, 0, "x", raw=b"\1\0\0\xff\1\0\0\0x", decode_only=True)
bad("status", "short", "short", bytes(7))
bad("status", "message is cut", "short", status(1, 0, "hello")[:-1])
bad("status", "a message of 4 GiB", "short", b"\1\0\0\0\xff\xff\xff\xffhello")

for p, s, i in ((0, 0, 0), (7, 3, 1), (1, 1, 0), (0, 2, 1)):
    good("bits", "priority %d, shape %d, idempotent %d" % (p, s, i), {"priority": p, "shape": s, "idempotent": bool(i)}, call_bits(p, s, i))
good("bits", "unknown bits are not looked at", {"priority": 1, "shape": 1, "idempotent": False}, struct.pack("<I", 0xFFFFFE99), decode_only=True)

for p, s, g in ((0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 16383, 8191), (0, 2**18 - 2, 2)):
    good("id", "parity %d, slot %d, generation %d" % (p, s, g), {"parity": p, "slot": s, "generation": g}, call_id(p, s, g))

LIMITS = {"message": 8 << 20, "calls": 16384, "routes": 16384, "stream": 262144, "route": 1 << 20}
HELLO = {"product": "demo/1", "id": "alice", "instance": "000102030405060708090a0b0c0d0e0f", "epoch": 2, "nonce": "11" * 32,
         "auth": ["peer+secret", "secret"], "limits": LIMITS, "codecs": ["json", "raw"], "features": ["hub"], "upgrades": ["shm"],
         "metadata": {"role": "test"}, "heartbeat_ms": 15000}
SMALL = {"instance": "00" * 16, "nonce": "22" * 32, "limits": {k: 1 for k in LIMITS}}
body("hello", "all members", HELLO)
body("hello", "only what must be there", SMALL)
body("hello", "unknown members and white space", SMALL, text=" " + json.dumps({**SMALL, "future": {"x": [1, {"y": None}]}}) + "\n")
body("hello", "8 deep", SMALL, text=json.dumps({**SMALL, "future": json.loads("[" * 7 + "]" * 7)}))
body("hello", "brackets in a string", {**SMALL, "product": "[" * 20 + '"{\\'})
body("auth", "the first", {"mechanism": "secret", "data": bytes(range(32)).hex()},
     text='{"mechanism":"secret","data":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}')
body("auth", "the last", {"done": True, "id": "alice-2", "identity": "uid:1000"})
body("auth", "empty", {}, text="{}")
body("upgrade", "an offer", {"name": "shm", "data": "ff"}, text='{"name":"shm","data":"/w=="}')
body("upgrade", "a refusal", {"reason": "not offered"})
for kind in ("hello", "auth", "upgrade"):
    bad(kind, "empty", "json", b"")
    bad(kind, "cut", "json", b'{"data":')
    bad(kind, "a list", "json", b"[]")
    bad(kind, "two values", "trailing", b"{} {}")
    bad(kind, "9 deep", "deep", b'{"x":' + b"[" * 8 + b"]" * 8 + b"}")
bad("hello", "a bomb", "deep", b"[", repeat=65536)
bad("hello", "longer than a handshake", "long", b" ", repeat=65537)
bad("hello", "a limit that is no number", "json", b'{"limits":{"calls":"many"}}')
bad("hello", "a limit below zero", "json", b'{"limits":{"calls":-1}}')
bad("auth", "data that is not base64", "json", b'{"data":"%%%"}')

C, S = json.dumps(HELLO).encode(), json.dumps(SMALL).encode()
for name, c, s, b in (("two HELLOs", C, S, b""), ("with a channel binding", C, S, bytes(range(32))), ("exchanged", S, C, b""), ("empty", b"", b"", b"")):
    good("transcript", name, {"client": c.hex(), "server": s.hex(), "binding": b.hex()}, transcript(c, s, b))

lines = ",\n".join("    " + json.dumps(v, ensure_ascii=False) for v in VECTORS)
print('{\n  "about": ' + json.dumps(ABOUT, indent=4)[:-1] + "  ],\n" + '  "vectors": [\n' + lines + "\n  ]\n}")
