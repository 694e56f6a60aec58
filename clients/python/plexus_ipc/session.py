# SPDX-License-Identifier: Apache-2.0
"""The session: a state machine without I/O, threads or clock of its own, which both clients share.

Bytes go in with receive(), come out of data_to_send(); time goes in with tick(). What
happens is told to a Host. It is not thread-safe: whoever shares it locks.
"""

from __future__ import annotations

import heapq
import struct
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import outbox as _outbox
from . import wire
from .exchange import Account, Assembly, Event, Exchange, Item, Window
from .handshake import Config, Handshake
from .outbox import Outbox, key_of
from .status import Code, StatusError
from .wire import Bind, Frame, WireError

MAX_SOURCES = 64 << 10


class Host:
    """What a session tells. The methods run inside receive(), tick() and lost(), and do not block."""

    def on_open(self) -> None:
        """The handshake is over."""

    def on_end(self, error: StatusError) -> None:
        """The session has ended. What data_to_send still has may be sent."""

    def on_room(self) -> None:
        """There may be credit or room to emit or to send items again, or a route was confirmed."""

    def on_call(self, call: Exchange) -> None:
        """The peer calls. Answer with reply() or fail()."""

    def on_event(self, event: Event) -> None:
        """The peer sent an event. Give its credit back with consumed()."""

    def bind(self, bind: Bind) -> Any:
        """The target of a route of the peer, handed back in on_call. StatusError refuses it."""
        raise StatusError(Code.UNKNOWN_METHOD, "this side serves nothing: no %s" % (bind,))


class _OutRoute:
    def __init__(self, bind: Bind) -> None:
        self.bind = bind
        self.number = 0
        self.again = False  # to be announced anew
        self.used = True
        self.pins = 0  # messages that have not left
        self.token = 0  # of the PING whose PONG confirms it
        self.confirmed = False
        self.refused: Optional[StatusError] = None
        self.sequence = 0
        self.window = Window(0)

    def unpin(self) -> None:
        self.pins -= 1


class _InRoute:
    def __init__(self, number: int, bind: Bind, window: int) -> None:
        self.number = number
        self.bind = bind
        self.target: Any = None
        self.error: Optional[StatusError] = None
        self.account = Account(window)
        self.last = 0
        self.binding = 0  # the peer's number for this BIND


class Session:
    def __init__(self, config: Config, host: Host, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.host = host
        self.state = "new"  # handshake, open, closed
        self.error: Optional[StatusError] = None
        self.draining = False
        self._clock = clock
        self._splitter = wire.Splitter()
        self._handshake = Handshake(config)
        self._out = Outbox()
        self._full = False

        self._calls: Dict[int, Exchange] = {}  # by slot: begun here
        self._generations: List[int] = []
        self._free: List[int] = []
        self._open: Dict[int, Exchange] = {}  # by slot: begun by the peer

        self._routes: Dict[Tuple[Bind, bool], _OutRoute] = {}
        self._bound: List[_OutRoute] = []  # index is number - 1
        self._hand = 0
        self._in_routes: Dict[int, _InRoute] = {}

        self._partial: Dict[int, Assembly] = {}
        self._partial_bytes = 0
        self._queued = 0
        self._sources: Dict[int, str] = {}

        self._pings: Dict[int, Callable[[Optional[StatusError]], None]] = {}
        self._next_ping = 0
        self._timers: List[Tuple[float, int]] = []
        self._heard = clock()
        self._silent = 0

    # What others read.

    @property
    def id(self) -> str:
        """The id that the server gave this session."""
        return self._handshake.id

    @property
    def identity(self) -> str:
        return self._handshake.identity

    @property
    def transcript(self) -> bytes:
        """The hash over both HELLOs, which this connection has and no other."""
        return self._handshake.transcript

    @property
    def peer(self) -> Dict[str, Any]:
        """The peer's HELLO."""
        return self._handshake.peer

    @property
    def hub(self) -> bool:
        return "hub" in self.peer.get("features", ())

    def source_name(self, number: int) -> str:
        return str(self.peer.get("id", "")) if number == 0 else self._sources.get(number, "")

    @property
    def pending(self) -> int:
        """Calls begun here that have no final frame yet."""
        return len(self._calls)

    @property
    def queued(self) -> int:
        """Bytes of received messages that the program has not taken yet."""
        return self._queued

    # Bytes and time.

    def begin(self) -> None:
        self.state = "handshake"
        for data in self._handshake.begin():
            self._out.raw(data)

    @property
    def has_data(self) -> bool:
        return self._out.size > 0

    @property
    def full(self) -> bool:
        return self._out.size > _outbox.HIGH_WATER

    def data_to_send(self, room: int = 256 << 10) -> bytes:
        data = self._out.take(room)
        if self._full and self._out.size < _outbox.LOW_WATER:
            self._full = False
            self._changed()
        return data

    def receive(self, data: bytes) -> None:
        """Takes bytes from the peer."""
        self._heard, self._silent = self._clock(), 0
        try:
            self._splitter.feed(data)
            while self.state != "closed":
                raw = self._splitter.next()
                if raw is None:
                    return
                if self.state == "handshake":
                    self._shake(raw)
                else:
                    self._frame(wire.parse_frame(raw))
        except WireError as e:
            self.close(StatusError(Code.PROTOCOL, "the peer broke the protocol: %s" % e))
        except StatusError as e:
            self._end(e)

    def lost(self, reason: str = "the other side went away") -> None:
        """The connection has ended."""
        if self.state == "handshake":
            self._end(StatusError(Code.UNAVAILABLE, "the peer closed the connection during the handshake"))
        self._end(StatusError(Code.PEER_GONE, reason))

    def tick(self) -> Optional[float]:
        """Does what is due and returns in how many seconds something is due again."""
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            self._expired(heapq.heappop(self._timers)[1])
        wait = self._timers[0][0] - now if self._timers else None
        beat = self.config.heartbeat
        if beat <= 0 or self.state != "open":
            return wait
        if now - self._heard >= beat * (self._silent + 1):
            self._silent += 1
            if self._silent > 3:
                self._end(StatusError(Code.PEER_GONE, "no sign of life from the peer for %g s" % (now - self._heard)))
                return None
            self._out.control(Frame(wire.PING, payload=bytes(8)))
        due = self._heard + beat * (self._silent + 1) - now
        return due if wait is None else min(wait, due)

    # The end.

    def close(self, error: Optional[StatusError] = None) -> None:
        """Ends the session and tells the peer."""
        if self.state == "closed":
            return
        if error is None:
            error = StatusError(Code.CLOSED, "the session was closed on this side")
        told = StatusError(Code.PEER_GONE, "the other side closed the session") if error.code == Code.CLOSED else error
        began = self.state != "new"
        self._end(error)
        if began:
            self._out.control(Frame(wire.GOAWAY, wire.END, payload=wire.pack_error(told)))

    def drain(self) -> None:
        """Begins no calls any more and takes none."""
        self.draining = True
        self._out.control(Frame(wire.GOAWAY, payload=wire.pack_error(StatusError(Code.UNAVAILABLE, "the other side is shutting down"))))

    def _end(self, error: StatusError) -> None:
        if self.state == "closed":
            return
        self.state, self.error = "closed", error
        self._out.clear()
        for call in list(self._calls.values()):
            call.finish(error)
        for call in list(self._open.values()):
            call.withdraw(error)
        self._calls.clear()
        self._open.clear()
        self._partial.clear()
        pings, self._pings = self._pings, {}
        for answered in pings.values():
            answered(error)
        self._changed()
        self.host.on_end(error)

    def _changed(self) -> None:
        self.host.on_room()

    def _alive(self) -> None:
        if self.state != "open":
            raise (self.error or StatusError(Code.UNAVAILABLE, "the session is not open")).unsent()

    # Calls that begin here.

    def call(self, bind: Bind, item: Item, *, shape: int = wire.UNARY, timeout: Optional[float] = None,
             priority: int = 0, idempotent: bool = False, notify: Optional[Callable[[], None]] = None) -> Exchange:
        """Sends a request."""
        self._alive()
        if self.draining:
            raise StatusError(Code.UNAVAILABLE, "the session is draining and takes no new calls")
        self._check_length(item, "the request")
        if timeout is not None and timeout <= 0:
            raise StatusError(Code.DEADLINE_EXCEEDED, "the time was up before the call was sent", retry=1)
        route = self._route(bind, True)
        slot = self._take_slot()
        number = wire.make_id(0, slot, self._generations[slot])
        call = Exchange(number, shape, True, self.peer["limits"]["stream"], self.config.stream_window)
        if notify:
            call.notify = notify
        self._calls[slot] = call
        self._ensure_bound(route)
        route.pins += 1
        flags = wire.END if shape in (wire.UNARY, wire.SERVER_STREAM) else 0
        deadline = 0 if timeout is None else min(max(int(timeout * 1e6), 1), (1 << 32) - 1)
        bits = wire.make_bits(priority, shape, idempotent)
        if bind.kind == wire.TOPIC:
            route.sequence += 1
        frame = Frame(wire.CALL, flags, item.codec, number, route.number, 0, route.sequence, deadline, bits, item.ext, item.payload)
        self._out.message(frame, route.unpin)
        return call

    def _take_slot(self) -> int:
        if self._free:
            slot = self._free.pop()
        elif len(self._generations) < self.peer["limits"]["calls"]:
            slot = len(self._generations)
            self._generations.append(0)
        else:
            raise StatusError(Code.LIMIT_EXCEEDED, "%d calls are open on this session, the peer allows no more" % len(self._calls), retry=1)
        self._generations[slot] = self._generations[slot] % (wire.GENERATIONS - 1) + 1  # never 0: id 0 is none
        return slot

    def _release(self, call: Exchange) -> None:
        slot = wire.split_id(call.id)[1]
        del self._calls[slot]
        self._free.append(slot)

    def cancel(self, call: Exchange) -> None:
        """Tells the peer that nobody wants the answer. The call ends with its final frame."""
        if self.state != "open" or not self._begun(call.id):
            return
        dropped, begun = self._out.drop(call.id)
        if begun:
            self._out.control(Frame(wire.ABORT, id=call.id))
        if not any(f.kind == wire.CALL for f in dropped):
            self._out.control(Frame(wire.CANCEL, id=call.id))
        elif not begun:  # it never left
            self._release(call)
            call.finish(StatusError(Code.CANCELLED, "the call was given up before it was sent", retry=1))

    def give_up(self, call: Exchange, reason: StatusError) -> None:
        """Ends a call for its caller at once. Its slot stays taken until the final frame."""
        self.drop_items(call)
        if call.done:
            return
        self.cancel(call)
        call.finish(reason)

    def give_up_at(self, call: Exchange, expires: float) -> None:
        """Has tick() give a call up as deadline_exceeded: for one that nobody waits for."""
        self._watch(expires, call.id)

    # Both directions of streams.

    def send_item(self, call: Exchange, item: Item) -> bool:
        """Sends an item; False if there is no credit or room for it now."""
        self._sendable(call)
        self._check_length(item, "the item")
        if not call.window.open or self.full:
            self._full = self._full or self.full
            return False
        call.window.sent += item.cost
        self._out.message(Frame(wire.DATA, 0, item.codec, call.id, ext=item.ext, payload=item.payload))
        return True

    def end_items(self, call: Exchange) -> None:
        """Says that no more items come from this side."""
        if call.send_ended or call.done or self.state != "open":
            return
        call.send_ended = True
        self._out.message(Frame(wire.DATA, wire.END, id=call.id))

    def _sendable(self, call: Exchange) -> None:
        if call.error is not None:
            raise call.error.again()
        if call.done or call.send_ended:
            raise StatusError(Code.FAILED_PRECONDITION, "nothing is sent in this direction of the stream any more")

    def take_item(self, call: Exchange) -> Optional[Item]:
        """The next item that has come, None if there is none now."""
        if not call.items:
            return None
        item = call.items.popleft()
        self._queued -= item.cost
        limit = call.account.consume(item.cost, item.acknowledge)
        if limit and not call.peer_end and self.state == "open":
            self._out.control(Frame(wire.CREDIT, id=call.id, payload=wire.pack_credit(limit, item.sequence)))
        return item

    def drop_items(self, call: Exchange) -> None:
        while call.items:
            self._queued -= call.items.popleft().cost

    def _check_length(self, item: Item, what: str) -> None:
        limit = self.peer["limits"]["message"]
        if len(item.payload) > limit:
            raise StatusError(Code.TOO_LARGE, "%s has %d bytes, the peer takes at most %d" % (what, len(item.payload), limit))

    # Calls of the peer.

    def reply(self, call: Exchange, item: Item) -> bool:
        """Answers a call; False if it is over already."""
        try:
            self._check_length(item, "the answer")
        except StatusError as e:
            return self.fail(call, e)
        return self._answer(call, Frame(wire.REPLY, wire.END, item.codec, call.id, ext=item.ext, payload=item.payload), None)

    def fail(self, call: Exchange, error: StatusError) -> bool:
        return self._answer(call, Frame(wire.FAIL, wire.END, id=call.id, payload=wire.pack_error(error)), error)

    def _answer(self, call: Exchange, frame: Frame, error: Optional[StatusError]) -> bool:
        slot = wire.split_id(call.id)[1]
        if self._open.get(slot) is not call or self.state != "open":
            return False
        del self._open[slot]
        if frame.kind == wire.FAIL:
            self._out.drop(call.id)
        self.drop_items(call)
        if call.request is not None:
            self._queued -= len(call.request.payload)
        self._out.message(frame)
        call.finish(error)
        return True

    def _withdrawn(self, call: Exchange, reason: StatusError) -> None:
        """Ends a call of the peer whose caller has gone, and answers it."""
        call.cancelled = reason
        self.fail(call, reason)

    def _expired(self, number: int) -> None:
        served, begun = self._served(number), self._begun(number)
        if served is not None:
            self._withdrawn(served, StatusError(Code.DEADLINE_EXCEEDED, "the time of the call was up"))
        elif begun is not None:
            self.give_up(begun, StatusError(Code.DEADLINE_EXCEEDED, "the time was up"))

    # Routes, events and publications.

    def emit(self, bind: Bind, item: Item, priority: int = 0) -> bool:
        """Sends an event or publication; False if it has to wait: see Host.on_room."""
        self._alive()
        self._check_length(item, "the message")
        route = self._route(bind)
        if route.refused is not None:
            refused, route.refused, route.again = route.refused, None, True
            raise refused
        self._ensure_bound(route)
        if not route.confirmed and not route.token:
            token = route.token = self.ping(lambda error: self._confirmed(route, token))
        if not route.confirmed or not route.window.open or self.full:
            self._full = self._full or self.full
            return False
        route.window.sent += item.cost
        route.sequence += 1
        route.pins += 1
        kind = wire.PUBLISH if bind.kind == wire.TOPIC else wire.EVENT
        bits = wire.make_bits(priority)
        self._out.message(Frame(kind, wire.ONEWAY, item.codec, 0, route.number, 0, route.sequence, 0, bits, item.ext, item.payload), route.unpin)
        return True

    def _confirmed(self, route: _OutRoute, token: int) -> None:
        if route.token != token:
            return  # it was for an earlier binding
        route.token = 0
        route.confirmed = route.refused is None and self.state == "open"
        self._changed()

    def _route(self, bind: Bind, call: bool = False) -> _OutRoute:
        """The route of a meaning. A topic has one of its own for calls, which are a lane of their own."""
        key = (bind, call and bind.kind == wire.TOPIC)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) > 4 * self.config.max_routes:
                self._routes = {k: r for k, r in self._routes.items() if r.number}
            route = self._routes[key] = _OutRoute(bind)
        return route

    def _ensure_bound(self, route: _OutRoute) -> None:
        route.used = True
        if route.number and not route.again:
            return
        packed = route.bind.pack()
        if route.again and route.number:
            pass
        elif len(self._bound) < self.peer["limits"]["routes"]:
            self._bound.append(route)
            route.number = len(self._bound)
        else:
            route.number = self._evict(route)
        route.again, route.confirmed, route.token = False, False, 0
        route.window = Window(self.peer["limits"]["route"])
        self._out.control(Frame(wire.BIND, route=route.number, payload=packed))

    def _evict(self, route: _OutRoute) -> int:
        """Takes over the number of a route that was not used lately and has nothing under way."""
        for _ in range(2 * len(self._bound) + 1):
            at = self._hand
            self._hand = (at + 1) % len(self._bound)
            old = self._bound[at]
            if old.used or old.pins:
                old.used = False
                continue
            old.number, old.confirmed, old.token, old.refused = 0, False, 0, None
            self._bound[at] = route
            return at + 1
        raise StatusError(Code.LIMIT_EXCEEDED, "all routes that the peer allows are in use", retry=1)

    def consumed(self, event: Event) -> None:
        """Gives the credit of an event back."""
        route: _InRoute = event.route
        self._queued -= event.item.cost
        route.last = max(route.last, event.item.sequence)
        limit = route.account.consume(event.item.cost)
        if limit and self.state == "open" and self._in_routes.get(route.number) is route:
            self._out.control(Frame(wire.CREDIT, route=route.number, sequence=route.binding, payload=wire.pack_credit(limit, route.last)))

    def ping(self, answered: Callable[[Optional[StatusError]], None]) -> int:
        """answered(None) is called when the peer has read everything sent before."""
        self._alive()
        self._next_ping += 1
        self._pings[self._next_ping] = answered
        self._out.control(Frame(wire.PING, payload=struct.pack("<Q", self._next_ping)))
        return self._next_ping

    # Frames of the peer.

    def _shake(self, raw: bytes) -> None:
        for data in self._handshake.receive(raw):
            self._out.raw(data)
        if self._handshake.done:
            self.state = "open"
            self._out.budget = 4 * self.peer["limits"]["message"]
            self.host.on_open()

    def _frame(self, frame: Frame) -> None:
        if frame.kind >= wire.CALL:
            whole = self._assemble(frame)
            if whole is None:
                return
            frame = whole
        handler = _HANDLERS.get(frame.kind)
        if handler is not None:
            handler(self, frame)
        elif not frame.flags & wire.IGNORABLE:
            raise WireError("kind", "frame of kind %d" % frame.kind)

    def _assemble(self, frame: Frame) -> Optional[Frame]:
        """The whole message once it is complete."""
        if frame.kind == wire.CALL:
            self._check_call(frame)
        key = key_of(frame)
        part = self._partial.get(key)
        if part is not None and part.first.kind != frame.kind:
            self._forget(key)
            part = None
        if part is None:
            if not frame.flags & wire.MORE:
                if len(frame.payload) <= self.config.max_message:
                    return frame
                self._too_large(frame)
                return None
            if len(self._partial) >= self.config.max_calls:
                raise WireError("limit", "%d messages are in pieces at once" % len(self._partial))
            part = self._partial[key] = Assembly(frame)
        elif not part.skip:
            part.add(frame)
        self._grow(part, frame)
        if frame.flags & wire.MORE:
            return None
        self._forget(key)
        if not part.skip:
            return part.whole(frame)
        call = self._begun(frame.id)
        if call is not None and frame.kind in (wire.REPLY, wire.FAIL):
            self._release(call)
        return None

    def _grow(self, part: Assembly, frame: Frame) -> None:
        if part.skip:
            return
        self._partial_bytes += len(frame.payload)
        if part.size > self.config.max_message:
            self._partial_bytes -= part.size
            part.forget()
            self._too_large(frame)
        limit = 4 * self.config.max_message + (4 << 20)
        if self._partial_bytes > limit:
            self.close(StatusError(Code.LIMIT_EXCEEDED, "more than %d bytes of unfinished messages" % limit))

    def _forget(self, key: int) -> None:
        part = self._partial.pop(key, None)
        if part is not None:
            self._partial_bytes -= part.size

    def _too_large(self, frame: Frame) -> None:
        error = StatusError(Code.TOO_LARGE, "message is longer than %d bytes" % self.config.max_message)
        if frame.kind == wire.CALL:
            self._out.control(Frame(wire.FAIL, wire.END, id=frame.id, payload=wire.pack_error(error)))
        elif frame.kind in (wire.REPLY, wire.FAIL):
            call = self._begun(frame.id)
            if call is not None:
                call.finish(error)
                if not frame.flags & wire.MORE:
                    self._release(call)
        elif frame.kind == wire.DATA:
            call, served = self._begun(frame.id), self._served(frame.id)
            if call is not None:
                self.give_up(call, error)
            elif served is not None:
                self._withdrawn(served, error)

    def _begun(self, number: int) -> Optional[Exchange]:
        """The call begun here that an id names, None if it is over."""
        call = self._calls.get(wire.split_id(number)[1])
        return call if call is not None and call.id == number else None

    def _served(self, number: int) -> Optional[Exchange]:
        call = self._open.get(wire.split_id(number)[1])
        return call if call is not None and call.id == number else None

    def _check_call(self, frame: Frame) -> None:
        parity, slot, _ = wire.split_id(frame.id)
        if parity != 1 or slot >= self.config.max_calls:
            raise WireError("id", "call with id %d, which is not the peer's to choose" % frame.id)
        if slot in self._open:
            raise WireError("id", "call with id %d, whose slot is in use" % frame.id)

    def _on_call(self, frame: Frame) -> None:
        try:
            self._serve(frame)
        except StatusError as e:
            self._out.control(Frame(wire.FAIL, wire.END, id=frame.id, payload=wire.pack_error(e)))

    def _serve(self, frame: Frame) -> None:
        route = self._in_routes.get(frame.route)
        if route is None:
            raise StatusError(Code.PROTOCOL, "route %d is not bound" % frame.route)
        if route.bind.kind != wire.METHOD:
            raise StatusError(Code.UNKNOWN_METHOD, "%s is no method" % (route.bind,))
        if route.error is not None:
            self._resolve(route)
        if route.error is not None:
            raise route.error.again()
        if self.draining:
            raise StatusError(Code.UNAVAILABLE, "the other side is shutting down")
        if self._queued + len(frame.payload) > self.config.max_queued:
            raise StatusError(Code.OVERLOADED, "%d bytes wait for this program already" % self._queued)
        call = Exchange(frame.id, frame.shape, False, self.peer["limits"]["stream"], self.config.stream_window)
        call.target, call.bind = route.target, route.bind
        call.request = Item(frame.codec, frame.payload, frame.ext, frame.source, frame.sequence)
        call.peer_end = bool(frame.flags & wire.END)
        self._open[wire.split_id(frame.id)[1]] = call
        self._queued += len(frame.payload)
        if frame.deadline:
            call.expires = self._clock() + frame.deadline / 1e6
            self._watch(call.expires, call.id)
        self.host.on_call(call)

    def _watch(self, expires: float, number: int) -> None:
        if len(self._timers) > 64 + 2 * (len(self._open) + len(self._calls)):
            self._timers = [t for t in self._timers if self._served(t[1]) or self._begun(t[1])]
            heapq.heapify(self._timers)
        heapq.heappush(self._timers, (expires, number))

    def _on_data(self, frame: Frame) -> None:
        call = self._begun(frame.id) or self._served(frame.id)
        if call is None:
            return
        if frame.flags & wire.END:
            call.peer_end = True
            call.notify()
            return
        label = self._in_routes.get(frame.route) if frame.route else None
        item = Item(frame.codec, frame.payload, frame.ext, frame.source, frame.sequence, label.bind if label else None,
                    bool(frame.bits & wire.ACKNOWLEDGE))
        if not call.account.take(item.cost):
            raise WireError("credit", "more than the credit was sent on a stream")
        if call.done or call.peer_end or call.shape == wire.UNARY:
            return
        self._queue(item)
        call.items.append(item)
        call.notify()

    def _queue(self, item: Item) -> None:
        self._queued += item.cost
        if self._queued > self.config.max_queued:
            self.close(StatusError(Code.LIMIT_EXCEEDED, "more than %d bytes wait for this program" % self.config.max_queued))

    def _on_final(self, frame: Frame) -> None:
        call = self._begun(frame.id)
        if call is None:
            return
        self._release(call)
        if self._out.drop(call.id)[1]:
            self._out.control(Frame(wire.ABORT, id=call.id))
        if frame.kind == wire.REPLY:
            call.finish(None, Item(frame.codec, frame.payload, frame.ext, frame.source))
        else:
            call.finish(wire.parse_error(frame.payload))

    def _on_one_way(self, frame: Frame) -> None:
        route = self._in_routes.get(frame.route)
        if route is None:
            raise WireError("route", "message on route %d, which is not bound" % frame.route)
        item = Item(frame.codec, frame.payload, frame.ext, frame.source, frame.sequence)
        if not route.account.take(item.cost):
            raise WireError("credit", "more than the credit was sent on route %d" % frame.route)
        self._queue(item)
        event = Event(route, route.bind, item)
        if route.error is not None or route.bind.kind not in (wire.EVENT_TO_ONE, wire.BROADCAST, wire.TOPIC):
            self.consumed(event)
        else:
            self.host.on_event(event)

    def _on_bind(self, frame: Frame) -> None:
        bind = wire.parse_bind(frame.payload)
        if not 0 < frame.route <= self.config.max_routes:
            raise WireError("route", "the peer bound route %d, allowed are 1 to %d" % (frame.route, self.config.max_routes))
        self._forget(frame.route << 32)
        route = self._in_routes[frame.route] = _InRoute(frame.route, bind, self.config.route_window)
        route.binding = frame.sequence
        if bind.kind == wire.LABEL:
            return
        self._resolve(route)
        if route.error is not None and bind.kind != wire.METHOD:
            self._out.control(Frame(wire.REVOKE, wire.END, route=frame.route, sequence=frame.sequence, payload=wire.pack_error(route.error)))

    def _resolve(self, route: _InRoute) -> None:
        bind = route.bind
        try:
            if bind.target not in ("", self.id):
                raise StatusError(Code.NOT_FOUND, "%r is not here: this is %r" % (bind.target, self.id))
            if bind.kind not in (wire.METHOD, wire.EVENT_TO_ONE, wire.BROADCAST, wire.TOPIC):
                raise StatusError(Code.PROTOCOL, "a route of class %d is unknown here" % bind.kind)
            route.target, route.error = self.host.bind(bind), None
        except StatusError as e:
            route.target, route.error = None, e

    def _on_revoke(self, frame: Frame) -> None:
        if not frame.flags & wire.END:
            self._forget(frame.route << 32)
            self._in_routes.pop(frame.route, None)
        elif 0 < frame.route <= len(self._bound):
            route = self._bound[frame.route - 1]
            route.confirmed = False
            if route.bind.kind == wire.METHOD:
                route.again = True
            else:
                route.refused = wire.parse_error(frame.payload)
            self._changed()

    def _on_source(self, frame: Frame) -> None:
        member = wire.parse_source(frame.payload)
        if len(self._sources) >= MAX_SOURCES:
            self._sources.clear()
        self._sources[frame.source] = member

    def _on_credit(self, frame: Frame) -> None:
        limit, _ = wire.parse_credit(frame.payload)
        if frame.id:
            call = self._begun(frame.id) or self._served(frame.id)
            if call is not None and limit > call.window.limit:
                call.window.limit = limit
                call.notify()
        elif 0 < frame.route <= len(self._bound):
            route = self._bound[frame.route - 1]
            if route.confirmed and limit > route.window.limit:  # else it is for what had the number before
                route.window.limit = limit
        self._changed()

    def _on_cancel(self, frame: Frame) -> None:
        call = self._served(frame.id)
        if call is not None:
            self._withdrawn(call, StatusError(Code.CANCELLED, "the caller gave up", remote=True))

    def _on_abort(self, frame: Frame) -> None:
        part = self._partial.get(key_of(frame))
        self._forget(key_of(frame))
        if part is not None and part.first.kind == wire.CALL and not part.skip:
            error = StatusError(Code.CANCELLED, "the caller withdrew the request")
            self._out.control(Frame(wire.FAIL, wire.END, id=frame.id, payload=wire.pack_error(error)))

    def _on_ping(self, frame: Frame) -> None:
        if len(frame.payload) > wire.MAX_PING:
            raise WireError("ping", "PING with %d bytes" % len(frame.payload))
        self._out.control(Frame(wire.PONG, payload=frame.payload))

    def _on_pong(self, frame: Frame) -> None:
        if len(frame.payload) == 8:
            answered = self._pings.pop(struct.unpack("<Q", frame.payload)[0], None)
            if answered is not None:
                answered(None)
                self._changed()

    def _on_goaway(self, frame: Frame) -> None:
        if frame.flags & wire.END:
            self._end(wire.parse_error(frame.payload))
        else:
            self.draining = True
            self._changed()


_HANDLERS: Dict[int, Callable[[Session, Frame], None]] = {
    wire.CALL: Session._on_call, wire.DATA: Session._on_data, wire.REPLY: Session._on_final, wire.FAIL: Session._on_final,
    wire.EVENT: Session._on_one_way, wire.PUBLISH: Session._on_one_way, wire.BIND: Session._on_bind, wire.REVOKE: Session._on_revoke,
    wire.SOURCE: Session._on_source, wire.CREDIT: Session._on_credit, wire.CANCEL: Session._on_cancel, wire.ABORT: Session._on_abort,
    wire.PING: Session._on_ping, wire.PONG: Session._on_pong, wire.GOAWAY: Session._on_goaway,
}
