# SPDX-License-Identifier: Apache-2.0
"""What waits to leave: order, fragments and fairness (docs/protocol.md, sections 10 and 17)."""

from __future__ import annotations

from collections import deque
from typing import Callable, Deque, Dict, List, Optional, Tuple

from . import wire
from .wire import Frame

HIGH_WATER = 1 << 20  # above it streams, events and publications wait
LOW_WATER = HIGH_WATER // 2


def key_of(frame: Frame) -> int:
    """What may have one unfinished message: a call or a route."""
    return frame.id or frame.route << 32


class _Long:
    """A message that goes in fragments, or waits behind one that does."""

    def __init__(self, frame: Frame, after: int, sent: Optional[Callable[[], None]]) -> None:
        self.frame = frame
        self.after = after  # how many frames must have left before it
        self.at = 0
        self.begun = False
        self.sent = sent

    def fragment(self) -> Tuple[bytes, bool]:
        frame, at = self.frame, self.at
        part = frame.payload[at : at + wire.FRAGMENT]
        self.at = at + len(part)
        self.begun = True
        last = self.at >= len(frame.payload)
        flags = frame.flags if last else frame.flags & ~wire.END | wire.MORE
        return frame._replace(flags=flags, ext=frame.ext if at == 0 else b"", payload=part).pack(), last


class Outbox:
    """Short messages leave in the order in which they came. Fragments of long ones go in between,
    in turn, so that a long message holds nothing up but what follows it on its call or route."""

    def __init__(self) -> None:
        self._ready: Deque[bytes] = deque()
        self._queued = 0  # frames ever put into _ready
        self._left = 0  # and taken out of it
        self._long: Dict[int, Deque[_Long]] = {}
        self._turns: Deque[int] = deque()
        self._unfinished = 0  # bytes of messages that have begun
        self.budget = 0  # what _unfinished may be
        self.size = 0

    def control(self, frame: Frame) -> None:
        self.raw(frame.pack())

    def raw(self, data: bytes) -> None:
        self._ready.append(data)
        self._queued += 1
        self.size += len(data)

    def message(self, frame: Frame, sent: Optional[Callable[[], None]] = None) -> None:
        """Queues a message. sent is called when its last byte has been taken, or it was dropped."""
        key = key_of(frame)
        if len(frame.payload) <= wire.FRAGMENT and key not in self._long:
            self.raw(frame.pack())
            if sent:
                sent()
            return
        if key not in self._long:
            self._long[key] = deque()
            self._turns.append(key)
        self._long[key].append(_Long(frame, self._queued, sent))
        self.size += len(frame.payload)

    def drop(self, key: int) -> Tuple[List[Frame], bool]:
        """Forgets what has not left of the messages of a key, and tells whether one had begun."""
        queue = self._long.pop(key, None)
        if queue is None:
            return [], False
        self._turns.remove(key)
        begun = queue[0].begun
        if begun:
            self._unfinished -= len(queue[0].frame.payload)
        for m in queue:
            self.size -= len(m.frame.payload) - m.at
            if m.sent:
                m.sent()
        return [m.frame for m in queue], begun

    def clear(self) -> None:
        self._ready.clear()
        self._left = self._queued
        for key in list(self._long):
            self.drop(key)
        self.size = 0

    def take(self, room: int) -> bytes:
        """About room bytes to send, b"" if there is nothing."""
        out: List[bytes] = []
        size = since = 0
        while size < room:
            data = self._fragment() if since >= wire.FRAGMENT or not self._ready else None
            if data is not None:
                since = 0
            elif self._ready:
                data = self._ready.popleft()
                self._left += 1
                self.size -= len(data)
                since += len(data)
            else:
                break
            out.append(data)
            size += len(data)
        return b"".join(out)

    def _fragment(self) -> Optional[bytes]:
        for _ in range(len(self._turns)):
            key = self._turns[0]
            self._turns.rotate(-1)
            message = self._long[key][0]
            if message.begun or self._may_begin(message):
                return self._advance(key, message)
        return None

    def _may_begin(self, message: _Long) -> bool:
        size = len(message.frame.payload)
        if message.after > self._left or self._unfinished and self._unfinished + size > self.budget:
            return False
        self._unfinished += size
        return True

    def _advance(self, key: int, message: _Long) -> bytes:
        before = message.at
        data, last = message.fragment()
        self.size -= message.at - before
        if last:
            self._unfinished -= len(message.frame.payload)
            queue = self._long[key]
            queue.popleft()
            if not queue:
                del self._long[key]
                self._turns.remove(key)
            if message.sent:
                message.sent()
        return data
