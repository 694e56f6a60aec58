# SPDX-License-Identifier: Apache-2.0
"""One call, at either end, with its streams: docs/protocol.md, sections 6, 7 and 9."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Deque, Dict, NamedTuple, Optional

from . import wire
from .status import StatusError
from .wire import Bind, Frame


def _nothing() -> None:
    pass


class Item(NamedTuple):
    """A message of a stream, or the final answer."""

    codec: int
    payload: bytes
    ext: bytes = b""
    source: int = 0
    sequence: int = 0
    label: Optional[Bind] = None
    acknowledge: bool = False  # the sender wants to know at once when it is taken

    @property
    def cost(self) -> int:
        return len(self.payload) + wire.MESSAGE_COST


class Window:
    """The sender's half of credit."""

    def __init__(self, limit: int) -> None:
        self.sent = 0
        self.limit = limit

    @property
    def open(self) -> bool:
        return self.sent < self.limit


class Account:
    """The receiver's half of credit."""

    def __init__(self, window: int) -> None:
        self._window = window
        self.taken = 0
        self.consumed = 0
        self.granted = window

    def take(self, cost: int) -> bool:
        """Counts a message that came; False if it began without credit."""
        if self.taken >= self.granted:
            return False
        self.taken += cost
        return True

    def consume(self, cost: int, now: bool = False) -> int:
        """Counts a message that was consumed; the new limit if it is time to tell it, or wanted now,
        else 0."""
        self.consumed += cost
        limit = self.consumed + self._window
        if limit - self.granted < self._window // 2 and not now:
            return 0
        self.granted = limit
        return limit


class Exchange:
    """A call. Whoever waits for it sets notify, which is called at every change."""

    def __init__(self, number: int, shape: int, ours: bool, send: int, receive: int) -> None:
        self.id = number
        self.shape = shape
        self.ours = ours
        self.notify: Callable[[], None] = _nothing

        self.window = Window(send)
        self.send_ended = shape in ((wire.UNARY, wire.SERVER_STREAM) if ours else (wire.UNARY, wire.CLIENT_STREAM))

        self.items: Deque[Item] = deque()
        self.account = Account(receive)
        self.peer_end = False

        self.done = False  # the final frame came, or was sent, or nobody waits any more
        self.error: Optional[StatusError] = None
        self.reply: Optional[Item] = None

        # Of a call of the peer:
        self.target: Any = None
        self.bind: Optional[Bind] = None
        self.request: Optional[Item] = None
        self.expires: Optional[float] = None  # by the session's clock
        self.cancelled: Optional[StatusError] = None
        self.local: Dict[str, Any] = {}  # for who serves it

    def finish(self, error: Optional[StatusError], reply: Optional[Item] = None) -> None:
        if self.done:
            return
        self.done = self.peer_end = True
        self.error, self.reply = error, reply
        self.notify()

    def withdraw(self, reason: StatusError) -> None:
        """Ends a call of the peer whose answer nobody waits for."""
        self.cancelled = reason
        self.items.clear()
        self.finish(reason)


class Event(NamedTuple):
    """A one-way message as it came. session.consumed(event) gives its credit back."""

    route: Any
    bind: Bind
    item: Item


class Assembly:
    """A message of which some fragments have come. It grows with what was received."""

    def __init__(self, first: Frame) -> None:
        self.first = first
        self.parts = [first.payload]
        self.size = len(first.payload)
        self.skip = False  # too long: the rest is read and forgotten

    def add(self, frame: Frame) -> None:
        self.parts.append(frame.payload)
        self.size += len(frame.payload)

    def forget(self) -> None:
        self.parts, self.size, self.skip = [], 0, True

    def whole(self, last: Frame) -> Frame:
        flags = self.first.flags & ~wire.MORE | last.flags & wire.END
        return self.first._replace(flags=flags, payload=b"".join(self.parts))
