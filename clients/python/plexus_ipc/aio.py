# SPDX-License-Identifier: Apache-2.0
"""The asyncio client: the surface of the blocking one, with await.

    import asyncio
    from plexus_ipc import aio

    async def main():
        async with await aio.connect("unix:///run/demo.sock") as hub:
            print(await hub.call("math/add", [20, 22], timeout=1))

    asyncio.run(main())
"""

from __future__ import annotations

import asyncio
from typing import Any, Awaitable, Callable, Dict, Generator, Iterable, List, Mapping, Optional, Tuple, Union

from . import endpoint, surface, wire
from . import password as password_
from .aiolink import Link, Signal
from .client import HEARTBEAT, make_config
from .exchange import Item
from .handshake import Config
from .service import Service, attach_async
from .status import Code, StatusError
from .surface import Clock, Event, Gaps, Headers, Method, Offers, Publication, Receipt, Secret

__all__ = ["CallFuture", "Client", "Registration", "Stream", "Subscription", "connect"]


async def connect(
    address: str,
    *,
    secret: Secret = None,
    id: str = "",
    metadata: Optional[Mapping[str, str]] = None,
    passwords: Optional[Mapping[str, str]] = None,
    timeout: Optional[float] = 5.0,
    heartbeat: Optional[float] = None,
    handlers: int = 256,
    config: Optional[Config] = None,
) -> "Client":
    """Connects: see plexus_ipc.connect."""
    at = endpoint.parse(address)
    c = make_config(config, secret, id, metadata, HEARTBEAT if heartbeat is None and at.remote else heartbeat)
    clock = Clock(timeout)
    try:
        link = await asyncio.wait_for(_dial(at, lambda: Link(c, Offers(), handlers)), timeout)
    except asyncio.TimeoutError:
        raise StatusError(Code.DEADLINE_EXCEEDED, "dial %s: the time was up" % (at,), retry=1) from None
    except OSError as e:
        raise StatusError(Code.UNAVAILABLE, "dial %s: %s" % (at, e)) from e
    await link.open(clock)
    client = Client(link)
    try:
        for channel, password in (passwords or {}).items():
            await client.unlock(channel, password, timeout=clock.left())
    except BaseException:
        await client.close()
        raise
    return client


async def _dial(at: endpoint.Endpoint, make: Callable[[], Link]) -> Link:
    loop = asyncio.get_running_loop()
    if at.scheme == "fd":
        return (await loop.create_connection(make, sock=at.inherited()))[1]
    if at.scheme == "unix":
        if not hasattr(loop, "create_unix_connection"):
            raise StatusError(Code.UNSUPPORTED, "asyncio has no unix sockets on this platform; use tcp")
        return (await loop.create_unix_connection(make, str(at.address)))[1]
    return (await loop.create_connection(make, *at.host_and_port))[1]


class Registration:
    """Something that this side offers, until it is closed. Also an async context manager."""

    def __init__(self, close: Callable[[], Optional[Awaitable[None]]]) -> None:
        self._close: Optional[Callable[[], Optional[Awaitable[None]]]] = close

    async def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            work = close()
            if work is not None:
                await work

    async def __aenter__(self) -> "Registration":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()


class CallFuture:
    """A call under way: await it for the answer. Cancelling who awaits it gives the call up."""

    def __init__(self, link: Link, clock: Clock, bind: wire.Bind, item: Item, **options: Any) -> None:
        self._link = link
        self._clock = clock
        self._changed = Signal()
        self._call = link.session.call(bind, item, notify=self._changed.fire, **options)
        link.flush()

    def done(self) -> bool:
        if self._clock.over():
            self._give_up(surface.deadline_exceeded())
        return self._call.done

    def cancel(self) -> None:
        """Tells the other side that the answer is not wanted. The call ends as cancelled, or with
        its answer if that was faster."""
        self._link.session.cancel(self._call)
        self._link.flush()

    def add_done_callback(self, f: Callable[["CallFuture"], Any]) -> None:
        """f is called by the event loop when the call has ended, also by its own timeout; soon if it
        has already."""
        self._link.when_done(self.done, self._changed, self._clock, lambda: f(self))

    async def result(self, timeout: Optional[float] = None) -> Any:
        """The answer. At the end of timeout TimeoutError is raised and the call goes on; at the end
        of its own it fails with deadline_exceeded."""
        own = self._clock.left()
        wait = Clock(own if timeout is None else timeout if own is None else min(own, timeout))
        while not self._call.done:
            if not await self._changed.wait(wait):
                if not self._clock.over():
                    raise TimeoutError("the call goes on")
                self._give_up(surface.deadline_exceeded())
        return surface.outcome(self._call)

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            return (yield from self.result().__await__())
        except asyncio.CancelledError:
            self._give_up(surface.given_up())
            raise

    def _give_up(self, reason: StatusError) -> None:
        self._link.session.give_up(self._call, reason)
        self._link.flush()


class Stream:
    """A call with streams, at the calling end. Iterating receives; leaving it as a context manager
    gives up what is not over."""

    def __init__(self, link: Link, clock: Clock, bind: wire.Bind, item: Item, shape: int, timeout: Optional[float]) -> None:
        self._link = link
        self._clock = clock
        self._changed = Signal()
        self._call = link.session.call(bind, item, shape=shape, timeout=timeout, notify=self._notify)
        link.flush()

    def _notify(self) -> None:
        self._changed.fire()
        self._link.room.fire()

    async def send(self, value: Any) -> None:
        """Sends an item; it waits as long as the other side gives no credit."""
        try:
            await self._link.send(self._call, surface.item(value), self._clock)
        except StatusError as e:
            raise self._expired(e)

    def close_send(self) -> None:
        """Says that no more items come from this side."""
        self._link.session.end_items(self._call)
        self._link.flush()

    async def _receive(self) -> Optional[Item]:
        try:
            return await self._link.receive(self._call, self._changed, self._clock)
        except StatusError as e:
            raise self._expired(e)

    def _expired(self, error: StatusError) -> StatusError:
        if self._clock.over():
            self._give_up(error)
        return error

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Any:
        item = await self._receive()
        if item is None:
            raise StopAsyncIteration
        return surface.value_of(item)

    async def result(self) -> Any:
        """The final answer. Items that were not received are dropped."""
        self.close_send()
        while await self._receive() is not None:
            pass
        while not self._call.done:
            if not await self._changed.wait(self._clock):
                raise self._expired(surface.deadline_exceeded())
        return surface.outcome(self._call)

    def cancel(self) -> None:
        """Gives the stream up: the other side is told, and what waits is dropped."""
        self._give_up(surface.given_up())

    def _give_up(self, reason: StatusError) -> None:
        self._link.session.give_up(self._call, reason)
        self._link.flush()

    async def __aenter__(self) -> "Stream":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.cancel()


class Subscription:
    """The publications whose topics match a pattern. Iterating waits for them; closing ends it."""

    def __init__(self, link: Link, stream: Stream) -> None:
        self._link = link
        self._stream = stream
        self._gaps = Gaps()
        self._first: Optional[Publication] = None
        self._closed = False

    async def _confirm(self) -> "Subscription":
        first = await self._stream._receive()
        if first is None:
            raise StatusError(Code.PROTOCOL, "the subscription ended before it began", remote=True)
        self._first = self._gaps.take(self._link.session, first)
        return self

    @property
    def replayed(self) -> int:
        """How many publications it has begun with that were kept from before."""
        return self._gaps.replayed

    @property
    def dropped(self) -> int:
        """How many publications this subscriber has missed so far."""
        return self._gaps.total

    async def receive(self, timeout: Optional[float] = None) -> Publication:
        """The next publication. At the end of timeout TimeoutError is raised and nothing is lost;
        after the end EOFError."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        clock = Clock(timeout)
        while True:
            found = self._gaps.take(self._link.session, await self._item(clock))
            if found is not None:
                return found

    async def _item(self, clock: Clock) -> Item:
        try:
            item = await self._link.receive(self._stream._call, self._stream._changed, clock)
        except StatusError as e:
            if self._closed:
                raise EOFError("the subscription was closed") from None
            if clock.over() and not e.remote and e.code == Code.DEADLINE_EXCEEDED:
                raise TimeoutError("no publication in time") from None
            raise
        if item is None:
            raise EOFError("the subscription has ended")
        return item

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Publication:
        try:
            return await self.receive()
        except EOFError:
            raise StopAsyncIteration from None

    def close(self) -> None:
        self._closed = True
        self._stream.cancel()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()


class Client:
    """One session with a hub or another process, on one event loop: see plexus_ipc.Client."""

    def __init__(self, link: Link) -> None:
        self._link = link

    # About the session.

    @property
    def id(self) -> str:
        """The member id that the other side gave this client."""
        return self._link.session.id

    @property
    def peer(self) -> Dict[str, Any]:
        """What the other side says about itself: its HELLO."""
        return dict(self._link.session.peer)

    @property
    def hub(self) -> bool:
        """Whether the other side is a hub."""
        return self._link.session.hub

    @property
    def on_error(self) -> surface.OnError:
        """Called with what goes wrong without a caller: see plexus_ipc.Client.on_error."""
        return self._link.offers.on_error

    @on_error.setter
    def on_error(self, f: surface.OnError) -> None:
        self._link.offers.on_error = f

    @property
    def closed(self) -> bool:
        return self._link.session.state == "closed"

    @property
    def draining(self) -> bool:
        """Whether the other side takes no new calls, because it is about to leave."""
        return self._link.session.draining

    @property
    def error(self) -> Optional[StatusError]:
        """Why the session ended, None while it lives."""
        return self._link.session.error

    async def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Waits for the session to end; False if it has not."""
        clock = Clock(timeout)
        while not self.closed:
            if not await self._link.room.wait(clock):
                return False
        return True

    async def close(self, timeout: float = 1.0) -> None:
        """Sends what waits, for so long at most, and ends the session."""
        await self._link.close(timeout)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.close()

    async def flush(self, timeout: Optional[float] = None) -> None:
        """Returns when the other side has read everything sent before."""
        await self._link.ping(timeout)

    # Calls.

    async def call(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
                   priority: int = 0, idempotent: bool = False, key: str = "") -> Any:
        """Calls a method and returns its answer."""
        return await self.call_async(method, value, timeout=timeout, headers=headers, target=target, priority=priority, idempotent=idempotent,
                                     key=key)

    def call_async(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
                   priority: int = 0, idempotent: bool = False, key: str = "") -> CallFuture:
        """Begins a call and returns its future."""
        bind = surface.bind(wire.METHOD, method, target)
        return CallFuture(self._link, Clock(timeout), bind, surface.item(value, surface.keyed(headers, key)), timeout=timeout,
                          priority=priority, idempotent=idempotent)

    def stream(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
               key: str = "") -> Stream:
        """Calls a method that answers with a stream: iterate over it."""
        return self._open(wire.SERVER_STREAM, method, value, timeout, surface.keyed(headers, key), target)

    async def client_stream(self, method: str, value: Any = None, *, items: Iterable[Any] = (), timeout: Optional[float] = None,
                            headers: Headers = None, target: str = "", key: str = "") -> Stream:
        """Calls a method that takes a stream: send() items, then result()."""
        stream = self._open(wire.CLIENT_STREAM, method, value, timeout, surface.keyed(headers, key), target)
        for item in items:
            await stream.send(item)
        return stream

    def duplex(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
               key: str = "") -> Stream:
        """Calls a method with streams both ways: send(), iterate, close_send(), result()."""
        return self._open(wire.DUPLEX, method, value, timeout, surface.keyed(headers, key), target)

    def _open(self, shape: int, method: str, value: Any, timeout: Optional[float], headers: Headers, target: str) -> Stream:
        bind = surface.bind(wire.METHOD, method, target)
        return Stream(self._link, Clock(timeout), bind, surface.item(value, headers), shape, timeout)

    # Publications and events.

    async def publish(self, topic: str, value: Any, *, headers: Headers = None, timeout: Optional[float] = None) -> None:
        """Publishes. It waits as long as the other side gives no credit; the first time also
        until the topic was accepted, so that a refusal is never silent."""
        await self._link.emit(surface.bind(wire.TOPIC, topic), surface.item(value, headers), timeout)

    async def publish_acknowledged(self, topic: str, value: Any, *, headers: Headers = None, timeout: Optional[float] = None) -> Receipt:
        """Publishes, waits until the subscribers' programs have taken it, and tells who has. Those
        who have not when the time is up, ten seconds by default, are named with the reason
        "deadline". It takes a hub."""
        pending = CallFuture(self._link, Clock(timeout), surface.bind(wire.TOPIC, topic), surface.item(value, headers),
                             timeout=surface.hub_time(timeout))
        return surface.receipt_of(await pending)

    async def subscribe(self, pattern: str, *, queue: int = 0, queue_bytes: int = 0, policy: str = "", block: float = 0,
                  on_block: str = "", replay: int = 0, since: float = 0, timeout: Optional[float] = None) -> Subscription:
        """Subscribes to channel/pattern and returns once that is in effect.

        policy says what happens when too much waits: drop_oldest, drop_newest, disconnect, or block,
        which holds up publishers for at most so many seconds, and then does as on_block says.
        replay and since ask for values that the topics keep: the last so many of each, those of
        the last so many seconds."""
        request = surface.item(surface.subscription_request(
            pattern, queue=queue, queue_bytes=queue_bytes, policy=policy, block_seconds=block, on_block=on_block,
            replay=replay, replay_seconds=since))
        stream = Stream(self._link, Clock(timeout), surface.operation("subscribe"), request, wire.SERVER_STREAM, None)
        try:
            subscription = await Subscription(self._link, stream)._confirm()
        except BaseException:
            stream.cancel()
            raise
        stream._clock = Clock(None)
        return subscription

    async def send(self, event: str, value: Any, *, target: str = "", headers: Headers = None, timeout: Optional[float] = None) -> None:
        """Sends an event to one member, or to who provides the name."""
        await self._link.emit(surface.bind(wire.EVENT_TO_ONE, event, target), surface.item(value, headers), timeout)

    async def broadcast(self, event: str, value: Any, *, headers: Headers = None, timeout: Optional[float] = None) -> None:
        """Sends an event to all other members of a channel."""
        await self._link.emit(surface.bind(wire.BROADCAST, event), surface.item(value, headers), timeout)

    def on_event(self, pattern: str, listener: Optional[Callable[[Event], Any]] = None) -> Any:
        """Has listener (a function, or a coroutine function) called for the events of
        channel/pattern, one at a time and in order. Without a listener it is a decorator."""
        if listener is None:
            return lambda f: (self.on_event(pattern, f), f)[1]
        channel, name = surface.split(pattern)
        entry = (channel, name, listener)
        self._link.offers.listeners.append(entry)
        return Registration(lambda: self._forget(entry))

    def _forget(self, entry: Tuple[str, str, Callable[[Event], Any]]) -> None:
        if entry in self._link.offers.listeners:
            self._link.offers.listeners.remove(entry)

    # Providing.

    async def provide(self, method: str, handler: Callable[..., Any], *, shape: str = "", schema: surface.Schema = None,
                      group: str = "", balance: str = "", capacity: int = 0, idempotent: bool = False,
                      timeout: Optional[float] = None) -> Registration:
        """Offers a method; it can be called when this returns.

        handler is a function that does not block, or a coroutine function: handler(value)
        returns the answer. A generator function, async or not, answers with a stream. With
        shape "client_stream" or "duplex" it is handler(value, items), where items is an async
        iterator. It is cancelled when its caller gives up. current() tells who that is.
        schema says what the method takes and gives: {"input": …, "output": …}, JSON Schemas.
        group, balance, capacity and idempotent say how it is shared with other providers at a
        hub: see docs/groups.md.
        """
        entry = self._link.offers.add(method, handler, shape, schema)
        entry.sharing = surface.sharing(group, balance, capacity, idempotent)
        try:
            if self.hub:
                await self.operate("provide", entry.offer, timeout=timeout)
        except BaseException:
            self._link.offers.remove(entry)
            raise
        return Registration(lambda: self._withdraw(entry))

    async def _withdraw(self, entry: Method) -> None:
        try:
            if self.hub and not self.closed:
                await self.operate("withdraw", entry.place)
        finally:
            self._link.offers.remove(entry)

    async def declare(self, topic: str, *, shared: bool = False, schema: Any = None, keep: int = 0, keep_age: float = 0,
                timeout: Optional[float] = None) -> Registration:
        """Allows publications on a topic of a hub: by this client, and by others if it is shared.
        schema is the JSON Schema of what is published. The hub keeps the last so many values, or
        those of the last so many seconds, for who subscribes later with replay or since."""
        channel, name = surface.split(topic)
        place = {"channel": channel, "name": name}
        await self.operate("declare", {**place, "shared": shared, **surface.topic_terms(schema, keep, keep_age)}, timeout=timeout)
        return Registration(lambda: None if self.closed else self.operate("retract", place))

    async def attach(self, service: Service, channel: str = "") -> Registration:
        """Offers a whole service: see plexus_ipc.Client.attach. Its handlers are as in provide."""
        return Registration(await attach_async(self, service, channel))

    # Operations.

    async def operate(self, operation: str, request: Union[None, Mapping[str, Any]] = None, *, timeout: Optional[float] = None) -> Any:
        """Calls an operation of the hub: see docs/protocol.md, section 15."""
        return await self.call("$/" + operation, dict(request or {}), timeout=timeout)

    async def join(self, channel: str) -> Any:
        """Becomes a member of a channel: to be listed, and to get its broadcasts."""
        return await self.operate("join", {"channel": channel})

    async def leave(self, channel: str) -> None:
        await self.operate("leave", {"channel": channel})

    async def unlock(self, channel: str, password: str, *, timeout: Optional[float] = None) -> None:
        """Gives the password of a channel, which opens it for this session. The password is not
        sent, and the hub proves that it knows it, too. A wrong one is unauthenticated."""
        exchange = password_.Exchange(channel, password, self._link.session.transcript)
        answer = await self.operate("unlock", exchange.first(), timeout=timeout)
        proof = await asyncio.get_running_loop().run_in_executor(None, exchange.second, answer)
        exchange.check(await self.operate("unlock", proof, timeout=timeout))

    async def set_password(self, channel: str, password: Optional[str], *, timeout: Optional[float] = None) -> None:
        """Gives the channel a password, another one, or none. It is for the owner; a channel that
        does not exist comes into being. All others are removed and may come back with it."""
        what: Dict[str, Any] = {"channel": channel}
        if password is not None:
            what["verifier"] = await asyncio.get_running_loop().run_in_executor(None, password_.verifier, password)
        await self.operate("password", what, timeout=timeout)

    async def members(self, channel: str = "") -> List[Dict[str, Any]]:
        """The members of a channel, "" for all sessions."""
        return (await self.operate("members", {"channel": channel}))["members"] or []

    async def channels(self) -> List[Dict[str, Any]]:
        return (await self.operate("channels"))["channels"] or []

    async def explore(self, channel: str = "", name: str = "") -> Dict[str, Any]:
        """What a channel, or a direct peer (""), offers: {"methods": […], "topics": […]}, each with
        its name, shape, providers and schemas; of one name, or all."""
        return dict(await self.operate("explore", {"channel": channel, "name": name, "schemas": True}))

    async def status(self) -> Any:
        """What the other side tells about itself."""
        return await self.operate("status")
