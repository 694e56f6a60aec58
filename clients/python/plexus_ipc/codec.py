# SPDX-License-Identifier: Apache-2.0
"""Values as payload bytes: raw bytes, JSON, and fixed-size values (docs/protocol.md, section 19)."""

from __future__ import annotations

import base64
import json
import struct
import sys
from typing import Any, Iterator, NamedTuple, Sequence, Tuple

from .status import Code, StatusError
from .wire import depth

RAW, JSON, CBOR, MSGPACK, PROTOBUF, FIXED = range(6)
MAX_DEPTH = 32


class Encoded(NamedTuple):
    """A payload in a codec of which this package does not know the values."""

    codec: int
    payload: bytes


class CodecError(StatusError):
    """A value that cannot be encoded, or bytes that do not decode. reason is that of the vectors."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, message)
        self.reason = reason


def encode(value: Any) -> Encoded:
    """The payload of a request: bytes as they are, an Encoded as it is, all else as JSON."""
    if isinstance(value, Encoded):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Encoded(RAW, bytes(value))
    return Encoded(JSON, dump_json(value))


def encode_as(codec: int, value: Any) -> bytes:
    """The payload of an answer, in the codec of its request."""
    if isinstance(value, Encoded):
        if value.codec != codec:
            raise CodecError("unsupported", "the answer is in codec %d, the request was in %d" % (value.codec, codec))
        return value.payload
    if codec == JSON:
        return dump_json(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if codec == RAW and isinstance(value, str):
        return value.encode()
    if codec == RAW and value is None:
        return b""
    raise CodecError("unsupported", "codec %d carries bytes, not %s" % (codec, type(value).__name__))


def decode(codec: int, payload: bytes) -> Any:
    """The value in a payload; what this package cannot decode stays an Encoded."""
    if codec == RAW:
        return payload
    if codec == JSON:
        return load_json(payload)
    return Encoded(codec, payload)


def _special(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()  # as in Go
    raise TypeError("%s is no JSON" % type(value).__name__)


def dump_json(value: Any) -> bytes:
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, sort_keys=True, default=_special)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as e:
        raise CodecError("unsupported", "json: %s" % e) from None


def _refuse(name: str) -> Any:
    raise ValueError("%s is no JSON" % name)


def _int(text: str) -> int:
    if len(text) > 4300:
        raise ValueError("a number of %d digits" % len(text))
    return int(text)


# Since 3.10.7 the interpreter itself refuses numbers whose conversion takes forever.
_HOOKS: Any = {} if hasattr(sys, "get_int_max_str_digits") else {"parse_int": _int}
_DECODER = json.JSONDecoder(parse_constant=_refuse, **_HOOKS)


def load_json(payload: bytes) -> Any:
    deep = CodecError("too deep", "json: nested deeper than %d" % MAX_DEPTH)
    try:
        value = _DECODER.decode(payload.decode("utf-8", "replace"))
    except RecursionError:
        raise deep from None
    except ValueError as e:
        raise CodecError("malformed", "json: %s" % e) from None
    # Counting brackets is quick, and what has few cannot be deep.
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise deep
    return value


class Fixed:
    """Packed values of fixed size, codec 5.

    A layout is "bool", "i8" … "u64", "f32", "f64", ("array", n, layout), ("slice", layout)
    (outermost only) or ("struct", (name, layout), …). Structs are dicts, arrays and
    slices lists:

        point = Fixed(("struct", ("id", "u16"), ("pos", ("array", 2, "f32"))))
        client.call("move", point.encode({"id": 1, "pos": [1, -2]}))
    """

    _FORMATS = {"bool": "B", "i8": "b", "u8": "B", "i16": "h", "u16": "H", "i32": "i", "u32": "I",
                "i64": "q", "u64": "Q", "f32": "f", "f64": "d"}

    def __init__(self, layout: Any) -> None:
        self._slice = not isinstance(layout, str) and layout[0] == "slice"
        self._layout = layout[1] if self._slice else layout
        self._struct = struct.Struct("<" + "".join(self._format(self._layout)))

    def _format(self, layout: Any) -> Iterator[str]:
        if isinstance(layout, str):
            yield self._FORMATS[layout]
        elif layout[0] == "array":
            yield from list(self._format(layout[2])) * layout[1]
        else:
            for _, part in layout[1:]:
                yield from self._format(part)

    def encode(self, value: Any) -> Encoded:
        values = value if self._slice else [value]
        try:
            packed = [self._struct.pack(*self._flat(self._layout, v)) for v in values]
        except (struct.error, KeyError, TypeError) as e:
            raise CodecError("unsupported", "fixed: %s" % e) from None
        return Encoded(FIXED, b"".join(packed))

    def _flat(self, layout: Any, value: Any) -> Iterator[Any]:
        if isinstance(layout, str):
            yield value
        elif layout[0] == "array":
            if len(value) != layout[1]:
                raise TypeError("%d values for an array of %d" % (len(value), layout[1]))
            for v in value:
                yield from self._flat(layout[2], v)
        else:
            for name, part in layout[1:]:
                yield from self._flat(part, value[name])

    def decode(self, payload: Encoded) -> Any:
        data = payload.payload
        if len(data) % self._struct.size or not self._slice and len(data) != self._struct.size:
            raise CodecError("malformed", "fixed: %d bytes for values of %d" % (len(data), self._struct.size))
        found = [self._build(self._layout, values, 0)[0] for values in self._struct.iter_unpack(data)]
        return found if self._slice else found[0]

    def _build(self, layout: Any, values: Sequence[Any], at: int) -> Tuple[Any, int]:
        if isinstance(layout, str):
            if layout == "bool" and values[at] > 1:
                raise CodecError("malformed", "fixed: a bool is neither 0 nor 1")
            return (bool(values[at]) if layout == "bool" else values[at]), at + 1
        if layout[0] == "array":
            items = []
            for _ in range(layout[1]):
                item, at = self._build(layout[2], values, at)
                items.append(item)
            return items, at
        built = {}
        for name, part in layout[1:]:
            built[name], at = self._build(part, values, at)
        return built, at
