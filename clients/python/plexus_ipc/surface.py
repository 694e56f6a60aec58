# SPDX-License-Identifier: Apache-2.0
"""What the blocking and the asyncio client have in common above the session."""

from __future__ import annotations

import contextvars
import inspect
import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from . import codec, wire
from .exchange import Event as WireEvent
from .exchange import Exchange, Item
from .session import Session
from .status import Code, StatusError
from .wire import Bind

log = logging.getLogger("plexus_ipc")

SHAPES = {"unary": wire.UNARY, "server_stream": wire.SERVER_STREAM, "client_stream": wire.CLIENT_STREAM, "duplex": wire.DUPLEX}
MAX_WAITING = 1024  # handlers that run or wait to run

Headers = Optional[Mapping[str, str]]
Schema = Optional[Mapping[str, Any]]  # {"input": …, "output": …}, JSON Schemas; either may be missing


def split(address: str) -> Tuple[str, str]:
    """channel/name as (channel, name); without a slash it is the peer's own: ("", name)."""
    channel, slash, name = address.rpartition("/")
    for part in (channel, name) if slash else (name,):
        if not part or "/" in part or len(part.encode()) > 255:
            raise StatusError(Code.INVALID_ARGUMENT, "%r is no name: write channel/name, or name" % address)
    return channel, name


def bind(kind: int, address: str, target: str = "") -> Bind:
    channel, name = split(address)
    return Bind(kind, channel, name, target)


def operation(name: str) -> Bind:
    return Bind(wire.METHOD, "$", name)


# The header that the key of a call travels in.
KEY = "plexus-key"


def item(value: Any, headers: Headers = None) -> Item:
    encoded = codec.encode(value)
    return Item(encoded.codec, encoded.payload, extensions(headers))


def extensions(headers: Headers) -> bytes:
    if not headers:
        return b""
    return wire.pack_extension(wire.EXT_HEADERS, wire.pack_headers(headers.items()))


def value_of(message: Item) -> Any:
    return codec.decode(message.codec, message.payload)


def request_of(call: Exchange) -> Any:
    """The value of a request; that of a stream may have no content."""
    assert call.request is not None
    if call.shape != wire.UNARY and not call.request.payload and call.request.codec != codec.RAW:
        return None
    return value_of(call.request)


def outcome(call: Exchange) -> Any:
    """The result of a call that is done."""
    if call.error is not None:
        raise call.error.again()
    assert call.reply is not None
    if call.shape != wire.UNARY and not call.reply.payload:
        return None
    return value_of(call.reply)


def deadline_exceeded(safe: bool = False) -> StatusError:
    return StatusError(Code.DEADLINE_EXCEEDED, "the time was up", retry=1 if safe else 0)


def given_up() -> StatusError:
    return StatusError(Code.CANCELLED, "the caller gave up")


class Clock:
    """A timeout that is used for several waits."""

    def __init__(self, timeout: Optional[float]) -> None:
        self.end = None if timeout is None else time.monotonic() + timeout

    def left(self) -> Optional[float]:
        return None if self.end is None else max(self.end - time.monotonic(), 0.0)

    def over(self) -> bool:
        return self.end is not None and time.monotonic() >= self.end


@dataclass(frozen=True)
class Publication:
    """What a subscription delivers. dropped is how many are missing before this one."""

    channel: str
    topic: str
    value: Any
    sender: str = ""
    sequence: int = 0
    dropped: int = 0
    codec: int = codec.RAW
    headers: Dict[str, str] = field(default_factory=dict)
    replayed: bool = False  # it was published before the subscription began, and kept


@dataclass(frozen=True)
class Receipt:
    """Who got an acknowledged publication. matched is how many subscriptions there were, delivered
    how many of them got it; receivers are their members, missed those who did not and why."""

    matched: int
    delivered: int
    receivers: Tuple[str, ...] = ()
    missed: Tuple[Tuple[str, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there was anybody, and all got it."""
        return 0 < self.matched == self.delivered


def receipt_of(body: Any) -> Receipt:
    if not isinstance(body, dict):
        raise StatusError(Code.PROTOCOL, "the receipt of a publication is no object", remote=True)
    return Receipt(int(body.get("matched", 0)), int(body.get("delivered", 0)), tuple(body.get("receivers") or ()),
                   tuple((m["member"], m["reason"]) for m in body.get("missed") or ()))


def hub_time(timeout: Optional[float]) -> Optional[float]:
    """How long the hub waits for receivers: a little less, so that its answer comes in time."""
    return None if timeout is None else timeout - min(timeout / 4, 0.1)


@dataclass(frozen=True)
class Event:
    """A one-way message: to this member, or to all of a channel."""

    channel: str
    name: str
    value: Any
    sender: str = ""
    broadcast: bool = False
    codec: int = codec.RAW
    headers: Dict[str, str] = field(default_factory=dict)


def event_of(session: Session, raw: WireEvent) -> Event:
    m = raw.item
    return Event(raw.bind.channel, raw.bind.name, value_of(m), session.source_name(m.source), raw.bind.kind == wire.BROADCAST,
                 m.codec, wire.headers_of(m.ext))


class Gaps:
    """Tells publications from the confirmations among the items of a subscription."""

    def __init__(self) -> None:
        self.total = 0
        self.replayed = 0
        self._gap = 0
        self._replay = 0  # publications still to come that were kept

    def take(self, session: Session, m: Item) -> Optional[Publication]:
        if m.label is None:
            told = confirmation(m)
            dropped, replayed = told.get("dropped", 0), told.get("replayed", 0)
            if isinstance(dropped, int):
                self.total += dropped
                self._gap += dropped
                self._replay -= min(self._replay, dropped)  # the oldest went first
            if isinstance(replayed, int):
                self.replayed += replayed
                self._replay += replayed
            return None
        gap, self._gap = self._gap, 0
        kept = self._replay > 0
        self._replay -= kept
        return Publication(m.label.channel, m.label.name, value_of(m), session.source_name(m.source), m.sequence, gap, m.codec,
                           wire.headers_of(m.ext), kept)


def confirmation(m: Item) -> Dict[str, Any]:
    try:
        body = json.loads(m.payload)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def topic_terms(schema: Any, keep: int, keep_age: float) -> Dict[str, Any]:
    """What is said of a topic, besides its name."""
    terms = {"keep": keep, "keep_seconds": keep_age}
    return {**({} if schema is None else {"schema": schema}), **{k: v for k, v in terms.items() if v}}


def subscription_request(address: str, **wanted: Any) -> Dict[str, Any]:
    channel, pattern = split(address)
    return {"channel": channel, "pattern": pattern, **{k: v for k, v in wanted.items() if v}}


# What this side offers.


class IncomingCall:
    """The call that a handler serves: plexus_ipc.current() inside it."""

    def __init__(self, session: Session, call: Exchange, wait: Optional[Callable[[Optional[float]], bool]] = None) -> None:
        assert call.bind is not None and call.request is not None
        self._call = call
        self._wait = wait
        self.channel = call.bind.channel
        self.method = call.bind.name
        self.codec = call.request.codec
        self.sender = session.source_name(call.request.source)

    @property
    def headers(self) -> Dict[str, str]:
        assert self._call.request is not None
        return wire.headers_of(self._call.request.ext)

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._call.cancelled is not None

    def wait_cancelled(self, timeout: Optional[float] = None) -> bool:
        """Waits until nobody waits for the answer any more; False at the end of timeout. Not for
        asyncio, where the handler's task is cancelled."""
        if self._wait is None:
            raise RuntimeError("the handler's task is cancelled: there is nothing to wait for")
        return self._wait(timeout)

    @property
    def remaining(self) -> Optional[float]:
        """The seconds that are left, None without a deadline."""
        expires = self._call.expires
        return None if expires is None else max(expires - time.monotonic(), 0.0)


CURRENT: "contextvars.ContextVar[Optional[IncomingCall]]" = contextvars.ContextVar("plexus_call", default=None)


def current() -> Any:
    """The IncomingCall that the running handler serves."""
    call = CURRENT.get()
    if call is None:
        raise RuntimeError("no handler of a call runs here")
    return call


@dataclass
class Method:
    """A method that is provided."""

    channel: str
    name: str
    function: Callable[..., Any]
    shape: int
    schema: Schema = None
    sharing: Dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> Dict[str, Any]:
        return {"channel": self.channel, "method": self.name}

    @property
    def offer(self) -> Dict[str, Any]:
        """What the hub is told: the place, and what is said of it."""
        offer = {**self.place, "shape": self.shape, **self.sharing}
        for part, schema in (self.schema or {}).items():
            if part not in ("input", "output"):
                raise StatusError(Code.INVALID_ARGUMENT, "a schema has an input and an output, no %r" % part)
            if schema is not None:
                offer[part] = schema
        return offer


def sharing(group: str, balance: str, capacity: int, idempotent: bool) -> Dict[str, Any]:
    """What a provider says of how it shares a method, without what it does not say."""
    said = {"group": group, "balance": balance, "capacity": capacity, "idempotent": idempotent}
    return {name: value for name, value in said.items() if value}


def keyed(headers: Headers, key: str) -> Headers:
    """The headers of a call that goes by a key: see docs/groups.md."""
    return {**(headers or {}), KEY: key} if key else headers


def shape_of(function: Callable[..., Any], shape: str) -> int:
    """The shape that was asked for; by default a generator function streams."""
    if shape:
        if shape not in SHAPES:
            raise StatusError(Code.INVALID_ARGUMENT, "shape %r: there are %s" % (shape, ", ".join(SHAPES)))
        return SHAPES[shape]
    streams = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    return wire.SERVER_STREAM if streams else wire.UNARY


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a pattern: * is one token, > at the end one or more."""
    want, have = pattern.split("."), name.split(".")
    for i, token in enumerate(want):
        if token == ">" and i == len(want) - 1:
            return len(have) > i
        if i >= len(have) or token not in ("*", have[i]):
            return False
    return len(want) == len(have)


OnError = Optional[Callable[[BaseException, str], Any]]


class Offers:
    """What this side offers: methods, and who listens for events."""

    def __init__(self) -> None:
        self.on_error: OnError = None
        self.methods: Dict[Tuple[str, str], Method] = {}
        self.listeners: List[Tuple[str, str, Callable[[Event], Any]]] = []

    def add(self, address: str, function: Callable[..., Any], shape: str, schema: Schema = None) -> Method:
        channel, name = split(address)
        if (channel, name) in self.methods:
            raise StatusError(Code.ALREADY_EXISTS, "method %r has a handler already" % address)
        method = self.methods[channel, name] = Method(channel, name, function, shape_of(function, shape), schema)
        return method

    def remove(self, method: Method) -> None:
        if self.methods.get((method.channel, method.name)) is method:
            del self.methods[method.channel, method.name]

    def listening(self, bound: Bind) -> List[Callable[[Event], Any]]:
        return [f for channel, pattern, f in self.listeners if channel == bound.channel and matches(pattern, bound.name)]

    def complain(self, error: BaseException, what: str) -> None:
        """Tells of what has no caller to tell it to."""
        if self.on_error is None:
            log.error(what, exc_info=error)
            return
        try:
            self.on_error(error, what)
        except Exception:
            log.exception("on_error failed")

    def bind(self, bound: Bind) -> Optional[Method]:
        if bound.kind == wire.METHOD:
            return self._method(bound)
        if bound.kind == wire.TOPIC:
            raise StatusError(Code.UNDECLARED, "topic %s has not been declared" % (bound,))
        if bound.kind == wire.EVENT_TO_ONE and not self.listening(bound):
            raise StatusError(Code.UNKNOWN_METHOD, "nobody listens for event %s" % (bound,))
        return None

    def _method(self, bound: Bind) -> Method:
        method = self.methods.get((bound.channel, bound.name))
        if method is None:
            code = Code.UNIMPLEMENTED if bound.channel == "$" else Code.UNKNOWN_METHOD
            raise StatusError(code, "the peer has no method %s" % (bound,))
        return method

    def admit(self, call: Exchange, running: int) -> None:
        """Raises if a call cannot be served."""
        method: Method = call.target
        if self.methods.get((method.channel, method.name)) is not method:
            raise StatusError(Code.UNKNOWN_METHOD, "the peer has no method %r any more" % method.name)
        if call.shape != method.shape:
            names = {v: k for k, v in SHAPES.items()}
            raise StatusError(Code.WRONG_SHAPE, "the method is %s, the call %s" % (names[method.shape], names[call.shape]))
        if running >= MAX_WAITING:
            raise StatusError(Code.OVERLOADED, "%d calls are being served already" % running)


def answer(call: Exchange, value: Any) -> Item:
    """The answer to a call, in the codec of its request; a stream's may be nothing."""
    assert call.request is not None
    if value is None and call.shape != wire.UNARY:
        return Item(codec.RAW, b"")
    return Item(call.request.codec, codec.encode_as(call.request.codec, value))


def answer_item(call: Exchange, value: Any) -> Item:
    """An item of the answering stream, likewise."""
    assert call.request is not None
    return Item(call.request.codec, codec.encode_as(call.request.codec, value))


def failure(error: BaseException) -> StatusError:
    """What the caller is told of an exception of a handler."""
    if isinstance(error, StatusError):
        return error
    if isinstance(error, (AssertionError, AttributeError, NameError, TypeError)):
        log.error("a handler failed", exc_info=error)
    return StatusError(Code.FAILED, "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__)


Secret = Union[None, str, bytes]


def secret_bytes(secret: Secret) -> Optional[bytes]:
    if secret is None:
        return None
    raw = secret.encode() if isinstance(secret, str) else bytes(secret)
    if not raw:
        raise StatusError(Code.INVALID_ARGUMENT, "the secret is empty")
    return raw
