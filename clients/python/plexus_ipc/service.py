# SPDX-License-Identifier: Apache-2.0
"""Services: methods, topics and listeners that are collected once and offered together."""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import dataclass, field
from typing import Any, Callable, Generator, List, Mapping, Optional, Tuple

from . import surface
from .status import Code, StatusError


@dataclass(frozen=True)
class Part:
    """One thing that a service offers."""

    kind: str  # method, topic or listener
    name: str
    value: Any = None  # the handler or the listener
    options: Mapping[str, Any] = field(default_factory=dict)  # of provide or declare


class Topic:
    """A topic of a service. publish() reaches it wherever the service is attached; as a decorator
    it has what a function returns published, each time it is called:

        @service.topic("low")
        def low(name, left):
            return {"name": name, "left": left}
    """

    def __init__(self, service: "Service", name: str) -> None:
        self._service = service
        self.name = name

    def publish(self, value: Any, **options: Any) -> Any:
        """Publishes at every place: see Client.publish. With asyncio clients it is to be awaited."""
        places = list(self._service._places)
        return Published([client.publish(address(channel, self.name), value, **options) for client, channel in places])

    async def _later(self, value: Any) -> None:
        await self.publish(await value)

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        def published(*arguments: Any, **named: Any) -> Any:
            value = f(*arguments, **named)
            return self._later(value) if inspect.isawaitable(value) else self.publish(value)

        published.__name__, published.__doc__ = getattr(f, "__name__", self.name), f.__doc__
        return published


class Published:
    """What publishing returns: nothing to care for with blocking clients, to be awaited with others."""

    def __init__(self, results: List[Any]) -> None:
        self._waiting = [r for r in results if inspect.isawaitable(r)]

    def __await__(self) -> Generator[Any, None, None]:
        for w in self._waiting:
            yield from w.__await__()


def address(channel: str, name: str) -> str:
    return "%s/%s" % (channel, name) if channel else name


class Service:
    """Collects methods, topics and listeners, and offers nothing until it is attached:

        service = Service()

        @service.method
        def add(pair):
            return pair[0] + pair[1]

        registration = hub.attach(service, "math")      # await it with an asyncio client

    Either all of it is offered then, or the error names what was refused and nothing is. Closing
    the registration withdraws all. It may be attached to several channels and clients, and again
    to a new client after the old one was cut.
    """

    def __init__(self) -> None:
        self._parts: List[Part] = []
        self._places: List[Tuple[Any, str]] = []  # (client, channel)

    def method(self, handler: Any = None, name: str = "", **options: Any) -> Any:
        """Adds a method, by the handler's own name unless another is given. It is a decorator, too:
        @service.method, or @service.method(name="plus", shape="duplex"). options are those of
        Client.provide."""
        if handler is None:
            return lambda f: (self.method(f, name, **options), f)[1]
        if not callable(handler):
            raise StatusError(Code.INVALID_ARGUMENT, "%r cannot be called: write @service.method(name=…)" % (handler,))
        surface.shape_of(handler, options.get("shape", ""))  # it complains now
        self._add(Part("method", name or getattr(handler, "__name__", ""), handler, options))
        return handler

    def methods(self, value: Any, names: Optional[Mapping[str, str]] = None) -> None:
        """Adds the methods of an object whose names do not begin with an underscore. names gives
        others: {"add": "plus"}; "" leaves a method out. What names holds and the object has not is
        an error, and then nothing is added."""
        found = [n for n, _ in inspect.getmembers(value, callable) if not n.startswith("_")]
        wanted = dict(names or {})
        unknown = sorted(set(wanted) - set(found))
        if unknown or not found:
            raise StatusError(Code.INVALID_ARGUMENT, "%s has no method %s" % (type(value).__name__, ", ".join(unknown) or "to offer"))
        before = list(self._parts)
        try:
            for n in found:
                if wanted.get(n, n):
                    self.method(getattr(value, n), wanted.get(n, n))
        except StatusError:
            self._parts = before
            raise

    def topic(self, name: str, **options: Any) -> Topic:
        """Adds a topic, with the options of Client.declare. What it returns publishes, and is a
        decorator."""
        self._add(Part("topic", name, options=options))
        return Topic(self, name)

    def on_event(self, pattern: str, listener: Optional[Callable[[surface.Event], Any]] = None) -> Any:
        """Adds a listener: see Client.on_event. Without a listener it is a decorator; ">" hears all."""
        if listener is None:
            return lambda f: (self.on_event(pattern, f), f)[1]
        self._add(Part("listener", pattern, listener))
        return listener

    def _add(self, part: Part) -> None:
        if "/" in part.name:
            raise StatusError(Code.INVALID_ARGUMENT, "%s %r: the channel is chosen by attach" % (part.kind, part.name))
        surface.split(part.name)
        if part.kind != "listener" and any((p.kind, p.name) == (part.kind, part.name) for p in self._parts):
            raise StatusError(Code.ALREADY_EXISTS, "the service has a %s %r already" % (part.kind, part.name))
        self._parts.append(part)

    # What the clients need to attach it.

    def _enter(self, client: Any, channel: str) -> None:
        self._places.append((client, channel))

    def _leave(self, client: Any, channel: str) -> None:
        if (client, channel) in self._places:
            self._places.remove((client, channel))


def refused(part: Part, e: StatusError) -> StatusError:
    """The error with the name of the part in front."""
    text = "%s %r is not attached, nor is the rest of the service: %s" % (part.kind, part.name, e.message)
    return StatusError(e.code, text, details=e.details, retry=e.retry, remote=e.remote)


def attach(client: Any, service: Service, channel: str) -> Callable[[], None]:
    """Attaches to a blocking client and returns what withdraws: all of it, whatever fails."""
    undo: List[Callable[[], None]] = []

    def withdraw() -> None:
        service._leave(client, channel)
        errors: List[StatusError] = []
        while undo:
            try:
                undo.pop()()
            except StatusError as e:
                errors.append(e)
        _complain(client, errors)

    for part in list(service._parts):
        try:
            if part.kind == "listener" and client.hub and channel:
                client.join(channel)
            undo.append(_offer(client, part, channel).close)
        except BaseException as e:
            with contextlib.suppress(StatusError):  # there is one to tell already
                withdraw()
            if isinstance(e, StatusError):
                raise refused(part, e) from None
            raise
    service._enter(client, channel)
    return withdraw


async def attach_async(client: Any, service: Service, channel: str) -> Callable[[], Any]:
    """Attaches to an asyncio client and returns what withdraws: see attach."""
    undo: List[Callable[[], Any]] = []

    async def withdraw() -> None:
        service._leave(client, channel)
        errors: List[StatusError] = []
        while undo:
            try:
                await undo.pop()()
            except StatusError as e:
                errors.append(e)
        _complain(client, errors)

    for part in list(service._parts):
        try:
            if part.kind == "listener" and client.hub and channel:
                await client.join(channel)
            registration = _offer(client, part, channel)
            undo.append((await registration if inspect.isawaitable(registration) else registration).close)
        except BaseException as e:
            with contextlib.suppress(StatusError):
                await withdraw()
            if isinstance(e, StatusError):
                raise refused(part, e) from None
            raise
    service._enter(client, channel)
    return withdraw


def _complain(client: Any, errors: List[StatusError]) -> None:
    if errors and not client.closed:  # the end of a session has withdrawn everything
        raise errors[0]


def _offer(client: Any, part: Part, channel: str) -> Any:
    """Offers one part: its registration, or what is to be awaited for it."""
    at = address(channel, part.name)
    if part.kind == "method":
        return client.provide(at, part.value, **part.options)
    if part.kind == "topic":
        return client.declare(at, **part.options)
    return client.on_event(at, part.value)
