# SPDX-License-Identifier: Apache-2.0
"""The blocking client."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple, Union

from . import endpoint, surface, wire
from . import password as password_
from .exchange import Exchange, Item
from .handshake import Config
from .link import Link
from .service import Service, attach
from .status import Code, StatusError
from .surface import Clock, Event, Gaps, Headers, Method, Offers, Publication, Receipt, Secret

HEARTBEAT = 15.0  # on tcp, where the death of a machine is not reported


def connect(
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
    """Connects to a hub or another process at unix:///path, unix://@name or tcp://host:port.

    secret is shared with the other side, both prove that they know it. id is the wanted
    member id, "" for one that the other side chooses. passwords are those of channels that
    are opened at once, see Client.unlock. timeout bounds the connecting.
    heartbeat is the silence in seconds after which the peer is pinged, 0 for none.
    handlers is how many calls are served at a time. config tunes what is left.
    """
    at = endpoint.parse(address)
    c = make_config(config, secret, id, metadata, HEARTBEAT if heartbeat is None and at.remote else heartbeat)
    clock = Clock(timeout)
    client = Client(Link(at.connect(timeout), c, Offers(), handlers))
    client._link.open(clock.left())
    try:
        for channel, password in (passwords or {}).items():
            client.unlock(channel, password, timeout=clock.left())
    except BaseException:
        client.close()
        raise
    return client


def make_config(config: Optional[Config], secret: Secret, id: str, metadata: Optional[Mapping[str, str]], heartbeat: Optional[float]) -> Config:
    c = Config(**vars(config)) if config is not None else Config()
    if secret is not None:
        c.secret = surface.secret_bytes(secret)
    c.id = id or c.id
    c.metadata = dict(metadata or c.metadata)
    c.heartbeat = c.heartbeat if heartbeat is None else heartbeat
    return c


class Registration:
    """Something that this side offers, until it is closed. Also a context manager."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close: Optional[Callable[[], None]] = close

    def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            close()

    def __enter__(self) -> "Registration":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class CallFuture:
    """A call under way."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._future: "Future[Item]" = Future()
        self._call: Optional[Exchange] = None

    def _start(self, *arguments: Any, **options: Any) -> "CallFuture":
        with self._link.lock:
            self._call = self._link.session.call(*arguments, notify=self._notify, **options)
            self._link.flush()
        return self

    def _notify(self) -> None:
        call = self._call
        if call is None or not call.done or self._future.done():
            return
        if call.error is not None:
            self._future.set_exception(call.error)
        elif call.reply is not None:
            self._future.set_result(call.reply)

    def done(self) -> bool:
        if self._clock.over():
            self._give_up(surface.deadline_exceeded())
        return self._future.done()

    def cancel(self) -> None:
        """Tells the other side that the answer is not wanted. The call ends as cancelled, or with
        its answer if that was faster."""
        with self._link.lock:
            if self._call is not None:
                self._link.session.cancel(self._call)
                self._link.flush()

    def result(self, timeout: Optional[float] = None) -> Any:
        """The answer. At the end of timeout TimeoutError is raised and the call goes on; at the end
        of its own it fails with deadline_exceeded."""
        own = self._clock.left()
        wait = own if timeout is None else timeout if own is None else min(own, timeout)
        try:
            item = self._future.result(wait)
        except StatusError as e:
            raise e.again() from None
        except (TimeoutError, FutureTimeout):  # the same since Python 3.11
            item = self._late()
        return surface.value_of(item)

    def _late(self) -> Item:
        if not self._clock.over():
            raise TimeoutError("the call goes on")
        self._give_up(surface.deadline_exceeded())
        return self._future.result(0)

    def _give_up(self, reason: StatusError) -> None:
        with self._link.lock:
            if self._call is not None:
                self._link.session.give_up(self._call, reason)
                self._link.flush()

    def add_done_callback(self, f: Callable[["CallFuture"], Any]) -> None:
        """f runs on the thread that reads when the call has ended, also by its own timeout, and must
        not block."""
        if self._clock.end is not None:
            with self._link.lock:
                if self._call is not None and not self._call.done:
                    self._link.session.give_up_at(self._call, self._clock.end)
                    self._link._wake()
        self._future.add_done_callback(lambda _: f(self))


class Stream:
    """A call with streams, at the calling end. One thread may receive and one may send at a time.

    Iterating receives; leaving it as a context manager gives up what is not over.
    """

    def __init__(self, link: Link, clock: Clock, bind: wire.Bind, item: Item, shape: int, timeout: Optional[float]) -> None:
        self._link = link
        self._clock = clock
        self._changed = threading.Condition(link.lock)
        with link.lock:
            self._call = link.session.call(bind, item, shape=shape, timeout=timeout, notify=self._notify)
            link.flush()

    def _notify(self) -> None:
        self._changed.notify_all()
        self._link.room.notify_all()

    def send(self, value: Any) -> None:
        """Sends an item; it waits as long as the other side gives no credit."""
        try:
            self._link.send(self._call, surface.item(value), self._clock)
        except StatusError as e:
            raise self._expired(e)

    def close_send(self) -> None:
        """Says that no more items come from this side."""
        with self._link.lock:
            self._link.session.end_items(self._call)
            self._link.flush()

    def _receive(self) -> Optional[Item]:
        try:
            return self._link.receive(self._call, self._changed, self._clock)
        except StatusError as e:
            raise self._expired(e)

    def _expired(self, error: StatusError) -> StatusError:
        if self._clock.over():
            self._give_up(error)
        return error

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> Any:
        item = self._receive()
        if item is None:
            raise StopIteration
        return surface.value_of(item)

    def result(self) -> Any:
        """The final answer. Items that were not received are dropped."""
        self.close_send()
        while self._receive() is not None:
            pass
        with self._changed:
            if not self._changed.wait_for(lambda: self._call.done, self._clock.left()):
                raise self._expired(surface.deadline_exceeded())
        return surface.outcome(self._call)

    def cancel(self) -> None:
        """Gives the stream up: the other side is told, and what waits is dropped."""
        self._give_up(surface.given_up())

    def _give_up(self, reason: StatusError) -> None:
        with self._link.lock:
            self._link.session.give_up(self._call, reason)
            self._link.flush()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: Any) -> None:
        self.cancel()


class Subscription:
    """The publications whose topics match a pattern. Iterating waits for them; closing ends it."""

    def __init__(self, link: Link, stream: Stream) -> None:
        self._link = link
        self._stream = stream
        self._gaps = Gaps()
        self._first: Optional[Publication] = None
        self._closed = False

    def _confirm(self) -> "Subscription":
        """Waits until it is in effect."""
        first = self._stream._receive()
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

    def receive(self, timeout: Optional[float] = None) -> Publication:
        """The next publication. At the end of timeout TimeoutError is raised and nothing is lost;
        after the end EOFError."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        clock = Clock(timeout)
        while True:
            item = self._item(clock)
            found = self._gaps.take(self._link.session, item)
            if found is not None:
                return found

    def _item(self, clock: Clock) -> Item:
        try:
            item = self._link.receive(self._stream._call, self._stream._changed, clock)
        except StatusError as e:
            if self._closed:
                raise EOFError("the subscription was closed") from None
            if clock.over() and not e.remote and e.code == Code.DEADLINE_EXCEEDED:
                raise TimeoutError("no publication in time") from None
            raise
        if item is None:
            raise EOFError("the subscription has ended")
        return item

    def __iter__(self) -> "Subscription":
        return self

    def __next__(self) -> Publication:
        try:
            return self.receive()
        except EOFError:
            raise StopIteration from None

    def close(self) -> None:
        self._closed = True
        self._stream.cancel()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Client:
    """One session with a hub or another process. Its methods may be called by any thread.

    Addresses are channel/name at a hub and name at another process. Values are JSON, bytes
    travel as they are; timeouts are in seconds. Every failure is a StatusError.
    """

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
        """Called with what goes wrong without a caller to tell it to: on_error(exception, what), where
        what is a sentence. It must not block. None, as at first, logs it."""
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

    def wait_closed(self, timeout: Optional[float] = None) -> bool:
        """Waits for the session to end; False if it has not."""
        with self._link.room:
            return self._link.room.wait_for(lambda: self.closed, timeout)

    def close(self, timeout: float = 1.0) -> None:
        """Sends what waits, for so long at most, and ends the session."""
        self._link.close(timeout)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def flush(self, timeout: Optional[float] = None) -> None:
        """Returns when the other side has read everything sent before."""
        self._link.ping(timeout)

    # Calls.

    def call(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
             priority: int = 0, idempotent: bool = False, key: str = "") -> Any:
        """Calls a method and returns its answer."""
        pending = self.call_async(method, value, timeout=timeout, headers=headers, target=target, priority=priority, idempotent=idempotent, key=key)
        try:
            return pending.result()
        except BaseException:
            if not pending.done():  # interrupted
                pending._give_up(surface.given_up())
            raise

    def call_async(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
                   priority: int = 0, idempotent: bool = False, key: str = "") -> CallFuture:
        """Begins a call and returns its future."""
        bind = surface.bind(wire.METHOD, method, target)
        pending = CallFuture(self._link, Clock(timeout))
        return pending._start(bind, surface.item(value, surface.keyed(headers, key)), timeout=timeout, priority=priority, idempotent=idempotent)

    def stream(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
               key: str = "") -> Stream:
        """Calls a method that answers with a stream: iterate over it."""
        return self._open(wire.SERVER_STREAM, method, value, timeout, surface.keyed(headers, key), target)

    def client_stream(self, method: str, value: Any = None, *, items: Iterable[Any] = (), timeout: Optional[float] = None,
                      headers: Headers = None, target: str = "", key: str = "") -> Stream:
        """Calls a method that takes a stream: send() items, then result()."""
        stream = self._open(wire.CLIENT_STREAM, method, value, timeout, surface.keyed(headers, key), target)
        for item in items:
            stream.send(item)
        return stream

    def duplex(self, method: str, value: Any = None, *, timeout: Optional[float] = None, headers: Headers = None, target: str = "",
               key: str = "") -> Stream:
        """Calls a method with streams both ways: send(), iterate, close_send(), result()."""
        return self._open(wire.DUPLEX, method, value, timeout, surface.keyed(headers, key), target)

    def _open(self, shape: int, method: str, value: Any, timeout: Optional[float], headers: Headers, target: str) -> Stream:
        bind = surface.bind(wire.METHOD, method, target)
        return Stream(self._link, Clock(timeout), bind, surface.item(value, headers), shape, timeout)

    # Publications and events.

    def publish(self, topic: str, value: Any, *, headers: Headers = None, timeout: Optional[float] = None) -> None:
        """Publishes. It waits as long as the other side gives no credit; the first time also
        until the topic was accepted, so that a refusal is never silent."""
        self._link.emit(surface.bind(wire.TOPIC, topic), surface.item(value, headers), timeout)

    def publish_acknowledged(self, topic: str, value: Any, *, headers: Headers = None, timeout: Optional[float] = None) -> Receipt:
        """Publishes, waits until the subscribers' programs have taken it, and tells who has. Those
        who have not when the time is up, ten seconds by default, are named with the reason
        "deadline". It takes a hub."""
        pending = CallFuture(self._link, Clock(timeout))
        pending._start(surface.bind(wire.TOPIC, topic), surface.item(value, headers), timeout=surface.hub_time(timeout))
        try:
            return surface.receipt_of(pending.result())
        except BaseException:
            if not pending.done():  # interrupted
                pending._give_up(surface.given_up())
            raise

    def subscribe(self, pattern: str, *, queue: int = 0, queue_bytes: int = 0, policy: str = "", block: float = 0,
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
            subscription = Subscription(self._link, stream)._confirm()
        except BaseException:
            stream.cancel()
            raise
        stream._clock = Clock(None)
        return subscription

    def send(self, event: str, value: Any, *, target: str = "", headers: Headers = None, timeout: Optional[float] = None) -> None:
        """Sends an event to one member, or to who provides the name."""
        self._link.emit(surface.bind(wire.EVENT_TO_ONE, event, target), surface.item(value, headers), timeout)

    def broadcast(self, event: str, value: Any, *, headers: Headers = None, timeout: Optional[float] = None) -> None:
        """Sends an event to all other members of a channel."""
        self._link.emit(surface.bind(wire.BROADCAST, event), surface.item(value, headers), timeout)

    def on_event(self, pattern: str, listener: Optional[Callable[[Event], Any]] = None) -> Any:
        """Has listener called for the events of channel/pattern, one at a time and in order. Without
        a listener it is a decorator."""
        if listener is None:
            return lambda f: (self.on_event(pattern, f), f)[1]
        channel, name = surface.split(pattern)
        entry = (channel, name, listener)
        with self._link.lock:
            self._link.offers.listeners.append(entry)
        return Registration(lambda: self._forget(entry))

    def _forget(self, entry: Tuple[str, str, Callable[[Event], Any]]) -> None:
        with self._link.lock:
            if entry in self._link.offers.listeners:
                self._link.offers.listeners.remove(entry)

    # Providing.

    def provide(self, method: str, handler: Optional[Callable[..., Any]] = None, *, shape: str = "", schema: surface.Schema = None,
                group: str = "", balance: str = "", capacity: int = 0, idempotent: bool = False,
                timeout: Optional[float] = None) -> Any:
        """Offers a method; it can be called when this returns. Without a handler it is a decorator.

        handler(value) returns the answer; a generator function answers with a stream, its
        return value is the final answer. With shape "client_stream" or "duplex" it is
        handler(value, items). current() tells who calls, and whether he still waits.
        schema says what the method takes and gives: {"input": …, "output": …}, JSON Schemas.
        group, balance, capacity and idempotent say how it is shared with other providers at a
        hub: see docs/groups.md.
        """
        if handler is None:
            return lambda f: (self.provide(method, f, shape=shape, schema=schema, group=group, balance=balance, capacity=capacity,
                                           idempotent=idempotent, timeout=timeout), f)[1]
        with self._link.lock:
            entry = self._link.offers.add(method, handler, shape, schema)
            entry.sharing = surface.sharing(group, balance, capacity, idempotent)
        try:
            if self.hub:
                self.operate("provide", entry.offer, timeout=timeout)
        except BaseException:
            self._remove(entry)
            raise
        return Registration(lambda: self._withdraw(entry))

    def _withdraw(self, entry: Method) -> None:
        try:
            if self.hub and not self.closed:
                self.operate("withdraw", entry.place)
        finally:
            self._remove(entry)

    def _remove(self, entry: Method) -> None:
        with self._link.lock:
            self._link.offers.remove(entry)

    def declare(self, topic: str, *, shared: bool = False, schema: Any = None, keep: int = 0, keep_age: float = 0,
                timeout: Optional[float] = None) -> Registration:
        """Allows publications on a topic of a hub: by this client, and by others if it is shared.
        schema is the JSON Schema of what is published. The hub keeps the last so many values, or
        those of the last so many seconds, for who subscribes later with replay or since."""
        channel, name = surface.split(topic)
        place = {"channel": channel, "name": name}
        self.operate("declare", {**place, "shared": shared, **surface.topic_terms(schema, keep, keep_age)}, timeout=timeout)
        return Registration(lambda: None if self.closed else self.operate("retract", place))

    def attach(self, service: Service, channel: str = "") -> Registration:
        """Offers a whole service in a channel of a hub, which is joined if the service listens, or to
        the peer: see Service. Closing the registration withdraws all of it."""
        return Registration(attach(self, service, channel))

    # Operations.

    def operate(self, operation: str, request: Union[None, Mapping[str, Any]] = None, *, timeout: Optional[float] = None) -> Any:
        """Calls an operation of the hub: see docs/protocol.md, section 15."""
        return self.call("$/" + operation, dict(request or {}), timeout=timeout)

    def join(self, channel: str) -> Any:
        """Becomes a member of a channel: to be listed, and to get its broadcasts."""
        return self.operate("join", {"channel": channel})

    def leave(self, channel: str) -> None:
        self.operate("leave", {"channel": channel})

    def unlock(self, channel: str, password: str, *, timeout: Optional[float] = None) -> None:
        """Gives the password of a channel, which opens it for this session. The password is not
        sent, and the hub proves that it knows it, too. A wrong one is unauthenticated."""
        exchange = password_.Exchange(channel, password, self._link.session.transcript)
        answer = self.operate("unlock", exchange.first(), timeout=timeout)
        exchange.check(self.operate("unlock", exchange.second(answer), timeout=timeout))

    def set_password(self, channel: str, password: Optional[str], *, timeout: Optional[float] = None) -> None:
        """Gives the channel a password, another one, or none. It is for the owner; a channel that
        does not exist comes into being. All others are removed and may come back with it."""
        what: Dict[str, Any] = {"channel": channel}
        if password is not None:
            what["verifier"] = password_.verifier(password)
        self.operate("password", what, timeout=timeout)

    def members(self, channel: str = "") -> List[Dict[str, Any]]:
        """The members of a channel, "" for all sessions."""
        return self.operate("members", {"channel": channel})["members"] or []

    def channels(self) -> List[Dict[str, Any]]:
        return self.operate("channels")["channels"] or []

    def explore(self, channel: str = "", name: str = "") -> Dict[str, Any]:
        """What a channel, or a direct peer (""), offers: {"methods": […], "topics": […]}, each with
        its name, shape, providers and schemas; of one name, or all."""
        return dict(self.operate("explore", {"channel": channel, "name": name, "schemas": True}))

    def status(self) -> Any:
        """What the other side tells about itself."""
        return self.operate("status")
