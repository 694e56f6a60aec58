# SPDX-License-Identifier: Apache-2.0
"""A session over an asyncio transport. Everything runs on the loop, so nothing locks."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Callable, List, Optional, Set

from . import surface, wire
from .exchange import Event as WireEvent
from .exchange import Exchange, Item
from .handshake import Config
from .session import Host, Session
from .status import Code, StatusError
from .surface import Clock, Offers, log
from .wire import Bind


class Signal:
    """Wakes all who wait. Between a look at the state and wait() nothing else runs."""

    def __init__(self) -> None:
        self._waiters: List["asyncio.Future[None]"] = []

    def fire(self) -> None:
        waiters, self._waiters = self._waiters, []
        for w in waiters:
            if not w.done():
                w.set_result(None)

    async def wait(self, clock: Clock) -> bool:
        """False if the time was up first."""
        w = asyncio.get_running_loop().create_future()
        self._waiters.append(w)
        try:
            await asyncio.wait_for(w, clock.left())
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            if w in self._waiters:
                self._waiters.remove(w)


class Link(asyncio.Protocol, Host):
    def __init__(self, config: Config, offers: Offers, handlers: int) -> None:
        self.session = Session(config, self)
        self.offers = offers
        self.room = Signal()  # fired when more may be sent, and at the end
        self._loop = asyncio.get_running_loop()
        self._handlers = asyncio.Semaphore(handlers)
        self._transport: Optional[asyncio.Transport] = None
        self._paused = False
        self._lost = False
        self._timer: Optional[asyncio.TimerHandle] = None
        self._tasks: Set["asyncio.Task[None]"] = set()
        self._running = 0
        self._events: "asyncio.Queue[WireEvent]" = asyncio.Queue()

    async def open(self, clock: Clock) -> None:
        """Shakes hands."""
        while self.session.state == "handshake":
            if not await self.room.wait(clock):
                self.session.close(StatusError(Code.DEADLINE_EXCEEDED, "the peer did not finish the handshake in time"))
                self.flush()
        if self.session.error is not None:
            await self.gone()
            raise self.session.error.again()

    async def close(self, timeout: float) -> None:
        """Sends what waits, as long as timeout lets it, and ends the session."""
        clock = Clock(timeout)
        while self.session.state == "open" and self.session.has_data:
            if not await self.room.wait(clock):
                break
        self.session.close()
        self.flush()
        await self.gone()

    async def gone(self) -> None:
        """Waits for the connection and the handlers to end."""
        self.flush()
        while not self._lost:
            if not await self.room.wait(Clock(1.0)) and self._transport is not None:
                self._transport.abort()
        me = asyncio.current_task()
        rest = [t for t in self._tasks if t is not me]
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.session.begin()
        self._start(self._tell_events())
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.session.receive(data)
        self.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._lost = True
        self.session.lost("the connection broke: %s" % error if error else "the other side went away")
        self._schedule()
        self.room.fire()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush()
        self.room.fire()

    def flush(self) -> None:
        """Gives the transport what it takes."""
        if self._transport is None or self._lost:
            return
        while not self._paused or self.session.state == "closed":
            data = self.session.data_to_send()
            if not data:
                break
            self._transport.write(data)
        if self.session.state == "closed":
            self._transport.close()
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wait = None if self._lost else self.session.tick()
        if wait is not None:
            self._timer = self._loop.call_later(wait, self.flush)

    # Host.

    def on_open(self) -> None:
        self.room.fire()

    def on_end(self, error: StatusError) -> None:
        self.room.fire()
        self._loop.call_soon(self.flush)

    def on_room(self) -> None:
        self.room.fire()

    def bind(self, bind: Bind) -> Any:
        return self.offers.bind(bind)

    def on_event(self, event: WireEvent) -> None:
        self._events.put_nowait(event)

    def on_call(self, call: Exchange) -> None:
        try:
            self.offers.admit(call, self._running)
        except StatusError as e:
            self.session.fail(call, e)
            return
        self._running += 1
        changed = Signal()
        task = self._start(self._serve(call, changed))
        task.add_done_callback(self._served)  # it may be cancelled before it begins

        def notify() -> None:
            changed.fire()
            if call.cancelled is not None:
                task.cancel()

        call.notify = notify

    def _start(self, work: Any) -> "asyncio.Task[None]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Handlers.

    async def _tell_events(self) -> None:
        while True:
            raw = await self._events.get()
            listeners = self.offers.listening(raw.bind)
            try:
                event = surface.event_of(self.session, raw)
            except Exception as e:
                self.offers.complain(e, "event %s does not decode" % (raw.bind,))
                listeners = []
            for listener in listeners:
                try:
                    result = listener(event)
                    if inspect.isawaitable(result):
                        await result
                except Exception as e:
                    self.offers.complain(e, "a listener for event %s failed" % (raw.bind,))
            self.session.consumed(raw)
            self.flush()

    async def _serve(self, call: Exchange, changed: Signal) -> None:
        surface.CURRENT.set(surface.IncomingCall(self.session, call))
        try:
            async with self._handlers:
                item = surface.answer(call, await self._produce(call, changed))
            self.session.reply(call, item)
        except asyncio.CancelledError:
            self.session.fail(call, surface.given_up())
            raise
        except Exception as e:
            self.session.fail(call, surface.failure(e))
        finally:
            self.flush()

    def _served(self, _: Any) -> None:
        self._running -= 1

    async def _produce(self, call: Exchange, changed: Signal) -> Any:
        """Runs the handler; what it yields are items."""
        arguments = [surface.request_of(call)]
        if call.shape in (wire.CLIENT_STREAM, wire.DUPLEX):
            arguments.append(Incoming(self, call, changed))
        result = call.target.function(*arguments)
        if inspect.isawaitable(result):
            result = await result
        if call.shape not in (wire.SERVER_STREAM, wire.DUPLEX):
            return result
        if not hasattr(result, "__aiter__"):
            return await self._produce_plain(call, result)
        try:
            async for value in result:
                await self.send(call, surface.answer_item(call, value), Clock(None))
        finally:
            if hasattr(result, "aclose"):
                await result.aclose()
        return None

    async def _produce_plain(self, call: Exchange, result: Any) -> Any:
        items = iter(result)
        try:
            while True:
                try:
                    value = next(items)
                except StopIteration as end:
                    return end.value
                await self.send(call, surface.answer_item(call, value), Clock(None))
        finally:
            if hasattr(items, "close"):
                items.close()

    # What callers and handlers wait for.

    def when_done(self, done: Callable[[], bool], changed: Signal, clock: Clock, f: Callable[[], Any]) -> None:
        """Has the event loop call f once a call has ended. At the end of clock done() ends it."""

        async def wait() -> None:
            try:
                while not done():
                    await changed.wait(clock)
            finally:
                if done():  # also if the link ends meanwhile
                    f()

        self._start(wait())

    async def send(self, call: Exchange, item: Item, clock: Clock) -> None:
        while not self.session.send_item(call, item):
            self.flush()
            if not await self.room.wait(clock):
                raise surface.deadline_exceeded(safe=True)
        self.flush()

    async def receive(self, call: Exchange, changed: Signal, clock: Clock) -> Optional[Item]:
        while True:
            item = self.session.take_item(call)
            if item is not None:
                self.flush()
                return item
            if call.error is not None:
                raise call.error.again()
            if call.peer_end:
                return None
            if not await changed.wait(clock):
                raise surface.deadline_exceeded()

    async def emit(self, bind: Bind, item: Item, timeout: Optional[float]) -> None:
        clock = Clock(timeout)
        while not self.session.emit(bind, item):
            self.flush()
            if not await self.room.wait(clock):
                raise surface.deadline_exceeded(safe=True)
        self.flush()

    async def ping(self, timeout: Optional[float]) -> None:
        """Returns when the peer has read everything sent before."""
        clock = Clock(timeout)
        while self.session.state == "open" and self.session.has_data:
            if not await self.room.wait(clock):
                raise surface.deadline_exceeded()
        answers: List[Optional[StatusError]] = []
        self.session.ping(answers.append)
        self.flush()
        while not answers:
            if not await self.room.wait(clock):
                raise surface.deadline_exceeded()
        if answers[0] is not None:
            raise answers[0].again()


class Incoming:
    """The items that a caller sends, as its handler iterates over them."""

    def __init__(self, link: Link, call: Exchange, changed: Signal) -> None:
        self._link, self._call, self._changed = link, call, changed

    def __aiter__(self) -> "Incoming":
        return self

    async def __anext__(self) -> Any:
        item = await self._link.receive(self._call, self._changed, Clock(None))
        if item is None:
            raise StopAsyncIteration
        return surface.value_of(item)
