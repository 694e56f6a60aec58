# SPDX-License-Identifier: Apache-2.0
"""Frames and payloads as bytes: docs/protocol.md, sections 1 to 5, 9, 11 and 14. No I/O."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from .status import Code, StatusError

MIN_FRAME = 8
MAX_FRAME = 68 << 10
HEADER_SIZE = 40
FRAGMENT = 64 << 10  # payload of a fragment
MAX_HANDSHAKE = 64 << 10
MAX_EXTENSIONS = 255 * 8
MAX_PING = 64
MESSAGE_COST = 64
MAJOR, MINOR = 1, 0

HELLO, AUTH, UPGRADE, BIND, REVOKE, SOURCE, CREDIT, CANCEL, ABORT, PING, PONG, GOAWAY, INTRODUCE = range(1, 14)
CALL, DATA, REPLY, FAIL, EVENT, PUBLISH = range(16, 22)

IGNORABLE, MORE, END, ONEWAY = 1, 2, 4, 8

UNARY, SERVER_STREAM, CLIENT_STREAM, DUPLEX = range(4)

METHOD, EVENT_TO_ONE, BROADCAST, TOPIC, LABEL = range(1, 6)

EXT_HEADERS, EXT_TRACE, EXT_TIMESTAMP = 1, 2, 3

SLOTS = (1 << 18) - 1
GENERATIONS = 1 << 13

_HEADER = struct.Struct("<IBBBBIIQQII")
_PREFACE = struct.Struct("<I6sBB4s")
_STATUS = struct.Struct("<HBBI")
_CREDIT = struct.Struct("<QQ")
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")


class WireError(ValueError):
    """The peer broke the protocol. reason is the word of testdata/vectors.json."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Frame(NamedTuple):
    kind: int
    flags: int = 0
    codec: int = 0
    id: int = 0
    route: int = 0
    source: int = 0
    sequence: int = 0
    deadline: int = 0
    bits: int = 0
    ext: bytes = b""
    payload: bytes = b""

    def pack(self) -> bytes:
        size = HEADER_SIZE + len(self.ext) + len(self.payload)
        head = _HEADER.pack(
            size, self.kind, self.flags, self.codec, len(self.ext) // 8, self.id, self.route,
            self.source, self.sequence, self.deadline, self.bits,
        )
        return head + self.ext + self.payload

    @property
    def shape(self) -> int:
        return self.bits >> 4 & 3


def parse_frame(data: bytes) -> Frame:
    if len(data) < HEADER_SIZE:
        raise WireError("short", "frame ends early")
    size, kind, flags, codec, words, id, route, source, sequence, deadline, bits = _HEADER.unpack_from(data)
    if size != len(data):
        raise WireError("length", "length field and frame differ")
    body = HEADER_SIZE + 8 * words
    if body > size:
        raise WireError("short", "frame ends early")
    return Frame(kind, flags, codec, id, route, source, sequence, deadline, bits, data[HEADER_SIZE:body], data[body:])


class Splitter:
    """Cuts a byte stream into frames. It never holds more than was received."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Optional[bytes]:
        """The next whole frame, None if more bytes are needed first."""
        if len(self._buffer) < 4:
            return None
        size = _U32.unpack_from(self._buffer)[0]
        if not MIN_FRAME <= size <= MAX_FRAME:
            head = bytes(self._buffer[:16])
            raise WireError("frame", "frame of %d bytes announced, allowed are %d to %d (starts with %r)" % (size, MIN_FRAME, MAX_FRAME, head))
        if len(self._buffer) < size:
            return None
        frame = bytes(self._buffer[:size])
        del self._buffer[:size]
        return frame


def pack_preface(major: int = MAJOR, minor: int = MINOR) -> bytes:
    return _PREFACE.pack(_PREFACE.size, b"PLEXUS", major, minor, b"\r\n\r\n")


def parse_preface(data: bytes) -> Tuple[int, int]:
    if len(data) != _PREFACE.size:
        raise WireError("preface", "no Plexus preface: %r" % data[:16])
    size, magic, major, minor, _ = _PREFACE.unpack(data)
    if size != _PREFACE.size or magic != b"PLEXUS":
        raise WireError("preface", "no Plexus preface: %r" % data[:16])
    return major, minor


ACKNOWLEDGE = 1 << 9  # in the bits of DATA: the sender wants credit as soon as it is taken


def make_bits(priority: int = 0, shape: int = UNARY, idempotent: bool = False) -> int:
    return priority & 7 | shape << 4 | (1 << 8 if idempotent else 0)


def make_id(parity: int, slot: int, generation: int) -> int:
    return generation << 19 | slot << 1 | parity


def split_id(number: int) -> Tuple[int, int, int]:
    """parity, slot, generation"""
    return number & 1, number >> 1 & SLOTS, number >> 19


# Strings with a u8 length.


def _u8(text: str) -> bytes:
    raw = text.encode()
    if len(raw) > 255:
        raise StatusError(Code.INVALID_ARGUMENT, "a name has %d bytes, allowed are 255" % len(raw))
    return bytes((len(raw),)) + raw


def _take_u8(data: bytes, at: int, reason: str = "short") -> Tuple[str, int]:
    end = at + 1 + data[at] if at < len(data) else len(data) + 1
    if end > len(data):
        raise WireError(reason, "a string is cut")
    return data[at + 1 : end].decode("utf-8", "replace"), end


# Extensions.


def pack_extension(kind: int, data: bytes) -> bytes:
    return struct.pack("<BBH", kind, 0, len(data)) + data + bytes(-(4 + len(data)) % 8)


def parse_extensions(ext: bytes) -> List[Tuple[int, bytes]]:
    found, at = [], 0
    while at < len(ext):
        if len(ext) - at < 8 or ext[at] == 0:
            raise WireError("extension", "malformed extension")
        size = _U16.unpack_from(ext, at + 2)[0]
        end = at + (4 + size + 7 & ~7)
        if end > len(ext):
            raise WireError("extension", "malformed extension")
        found.append((ext[at], ext[at + 4 : at + 4 + size]))
        at = end
    return found


def pack_headers(headers: Iterable[Tuple[str, str]]) -> bytes:
    out = b""
    for key, value in headers:
        raw = value.encode()
        if not key or len(key.encode()) > 255 or len(raw) > MAX_EXTENSIONS:
            raise StatusError(Code.INVALID_ARGUMENT, "header %r is malformed or too long" % key)
        out += _u8(key) + _U16.pack(len(raw)) + raw
    if len(out) > MAX_EXTENSIONS - 4:
        raise StatusError(Code.INVALID_ARGUMENT, "headers take %d bytes, allowed are %d" % (len(out), MAX_EXTENSIONS - 4))
    return out


def parse_headers(data: bytes) -> List[Tuple[str, str]]:
    pairs, at = [], 0
    while at < len(data):
        key, at = _take_u8(data, at, "extension")
        if not key or len(data) - at < 2:
            raise WireError("extension", "malformed header")
        end = at + 2 + _U16.unpack_from(data, at)[0]
        if end > len(data):
            raise WireError("extension", "malformed header")
        pairs.append((key, data[at + 2 : end].decode("utf-8", "replace")))
        at = end
    return pairs


def headers_of(ext: bytes) -> Dict[str, str]:
    """The headers in an extension section; malformed ones are absent."""
    try:
        for kind, data in parse_extensions(ext):
            if kind == EXT_HEADERS:
                return dict(parse_headers(data))
    except WireError:
        pass
    return {}


# Control payloads.


class Bind(NamedTuple):
    kind: int  # the class
    channel: str
    name: str
    target: str = ""

    def pack(self) -> bytes:
        return bytes((self.kind,)) + _u8(self.channel) + _u8(self.name) + _u8(self.target)

    def __str__(self) -> str:
        return "%s/%s" % (self.channel, self.name) if self.channel else self.name


def parse_bind(data: bytes) -> Bind:
    if not data:
        raise WireError("short", "BIND is empty")
    channel, at = _take_u8(data, 1)
    name, at = _take_u8(data, at)
    target, at = _take_u8(data, at)
    if at < len(data):
        raise WireError("trailing", "bytes after the end of BIND")
    return Bind(data[0], channel, name, target)


def pack_credit(limit: int, acked: int) -> bytes:
    return _CREDIT.pack(limit, acked)


def parse_credit(data: bytes) -> Tuple[int, int]:
    if len(data) != _CREDIT.size:
        raise WireError("short", "CREDIT has %d bytes" % len(data))
    limit, acked = _CREDIT.unpack(data)
    return limit, acked


def pack_source(member: str) -> bytes:
    return _u8(member)


def parse_source(data: bytes) -> str:
    member, end = _take_u8(data, 0)
    if end < len(data):
        raise WireError("trailing", "bytes after the end of SOURCE")
    return member


def pack_status(code: int, message: str = "", details: bytes = b"", retry: int = 0) -> bytes:
    raw = message.encode("utf-8", "replace")
    return _STATUS.pack(code, retry, 0, len(raw)) + raw + details


def parse_status(data: bytes) -> Tuple[int, int, str, bytes]:
    """code, retry, message, details"""
    if not data:
        return 0, 0, "", b""
    if len(data) < _STATUS.size:
        raise WireError("short", "a status is cut")
    code, retry, _, size = _STATUS.unpack_from(data)
    end = _STATUS.size + size
    if end > len(data):
        raise WireError("short", "a status is cut")
    return code, retry, data[_STATUS.size : end].decode("utf-8", "replace"), data[end:]


def pack_error(error: StatusError) -> bytes:
    message = error.message.encode("utf-8", "replace")[:4096].decode("utf-8", "ignore")
    return pack_status(int(error.code), message, error.details, error.retry)


def parse_error(data: bytes) -> StatusError:
    """The status of a failure that the peer tells."""
    try:
        code, retry, message, details = parse_status(data)
    except WireError:
        return StatusError(Code.PROTOCOL, "the peer sent a malformed status", remote=True)
    return StatusError(code or Code.FAILED, message, details=details, retry=min(retry, 2), remote=True)


# JSON of the handshake.


def _refuse_constant(name: str) -> Any:
    raise ValueError("%s is no JSON" % name)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def parse_json(data: bytes) -> Dict[str, Any]:
    if len(data) > MAX_HANDSHAKE:
        raise WireError("long", "handshake body of %d bytes" % len(data))
    try:
        text = data.decode("utf-8", "replace").strip(" \t\r\n")
        value, end = _DECODER.raw_decode(text)
    except RecursionError:
        raise WireError("deep", "handshake body nests too deep") from None
    except ValueError as e:
        raise WireError("json", "handshake body: %s" % e) from None
    if depth(value) > 8:
        raise WireError("deep", "handshake body nests deeper than 8")
    if end < len(text):
        raise WireError("trailing", "bytes after the end of a handshake body")
    if not isinstance(value, dict):
        raise WireError("json", "handshake body is no object")
    return value


def depth(value: Any) -> int:
    """How deep lists and objects nest: a scalar has depth 0."""
    found, level = 0, [value]
    while True:
        level = [v for v in level if isinstance(v, (list, dict))]
        if not level:
            return found
        found += 1
        level = [child for v in level for child in (v.values() if isinstance(v, dict) else v)]


def pack_json(value: Dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


LIMITS = ("message", "calls", "routes", "stream", "route")
_HELLO_STRINGS = ("product", "id", "instance", "resume", "nonce")
_HELLO_LISTS = ("auth", "codecs", "features", "upgrades")
_HELLO_NUMBERS = ("epoch", "heartbeat_ms")


def parse_hello(data: bytes) -> Dict[str, Any]:
    """A HELLO with every member present and of its type."""
    body = parse_json(data)
    hello: Dict[str, Any] = {k: _typed(body, k, str, "") for k in _HELLO_STRINGS}
    for key in _HELLO_LISTS:
        hello[key] = _typed(body, key, list, [])
        if not all(isinstance(v, str) for v in hello[key]):
            raise WireError("json", "%s is no list of strings" % key)
    for key in _HELLO_NUMBERS:
        hello[key] = _number(body, key)
    hello["metadata"] = _typed(body, "metadata", dict, {})
    if not all(isinstance(v, str) for v in hello["metadata"].values()):
        raise WireError("json", "metadata is no object of strings")
    limits = _typed(body, "limits", dict, {})
    hello["limits"] = {k: _number(limits, k) for k in LIMITS}
    return hello


def parse_auth(data: bytes) -> Dict[str, Any]:
    body = parse_json(data)
    auth: Dict[str, Any] = {k: _typed(body, k, str, "") for k in ("mechanism", "id", "identity")}
    auth["done"] = _typed(body, "done", bool, False)
    auth["data"] = _base64(body)
    return auth


def parse_upgrade(data: bytes) -> Dict[str, Any]:
    body = parse_json(data)
    upgrade: Dict[str, Any] = {k: _typed(body, k, str, "") for k in ("name", "reason")}
    upgrade["data"] = _base64(body)
    return upgrade


def _typed(body: Dict[str, Any], key: str, kind: type, default: Any) -> Any:
    value = body.get(key)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise WireError("json", "%s has the wrong type" % key)
    return value


def _number(body: Dict[str, Any], key: str) -> int:
    value = body.get(key)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise WireError("json", "%s is no number" % key)
    return value


def _base64(body: Dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(_typed(body, "data", str, ""), validate=True)
    except (binascii.Error, ValueError):
        raise WireError("json", "data is no base64") from None
