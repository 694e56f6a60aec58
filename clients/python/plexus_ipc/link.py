# SPDX-License-Identifier: Apache-2.0
"""A session over a socket with threads: one that reads and writes, some for handlers."""

from __future__ import annotations

import selectors
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List, Optional

from . import surface, wire
from .exchange import Event as WireEvent
from .exchange import Exchange, Item
from .handshake import Config
from .session import Host, Session
from .status import Code, StatusError
from .surface import Clock, Offers, log
from .wire import Bind

READ_SIZE = 256 << 10
LINGER = 0.5


class Link(Host):
    """Everything here that touches the session holds lock. Only the I/O thread blocks on the
    socket, and never while it holds lock; others send what the socket takes at once."""

    def __init__(self, sock: socket.socket, config: Config, offers: Offers, handlers: int) -> None:
        self.lock = threading.RLock()
        self.room = threading.Condition(self.lock)  # notified when more may be sent, and at the end
        self.session = Session(config, self)
        self.offers = offers
        self._sock = sock
        sock.setblocking(False)
        self._rest = b""
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="plexus-io", daemon=True)
        self._workers = ThreadPoolExecutor(handlers, "plexus-handler")
        self._events = ThreadPoolExecutor(1, "plexus-event")
        self._running = 0

    def open(self, timeout: Optional[float]) -> None:
        """Shakes hands."""
        with self.room:
            self.session.begin()
            self._thread.start()
            if not self.room.wait_for(lambda: self.session.state != "handshake", timeout):
                self._abort(StatusError(Code.DEADLINE_EXCEEDED, "the peer did not finish the handshake in time"))
            error = self.session.error
        if error is not None:
            self.join()
            raise error.again()

    def _abort(self, error: StatusError) -> None:
        self.session.close(error)
        self._wake()

    def close(self, timeout: float) -> None:
        """Sends what waits, as long as timeout lets it, and ends the session."""
        with self.room:
            self.room.wait_for(lambda: self.session.state == "closed" or not (self._rest or self.session.has_data), timeout)
            self._abort(StatusError(Code.CLOSED, "the session was closed on this side"))
        self.join()

    def join(self) -> None:
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # The I/O thread.

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.register(self._wake_in, selectors.EVENT_READ)
            try:
                while self._turn(selector):
                    pass
            except Exception as e:  # a bug here must not leave callers waiting
                log.exception("the connection failed")
                with self.lock:
                    self.session.close(StatusError(Code.INTERNAL, "%s: %s" % (type(e).__name__, e)))
        self._finish()

    def _turn(self, selector: selectors.BaseSelector) -> bool:
        with self.lock:
            wait = self.session.tick()
            self.flush()
            if self.session.state == "closed":
                return False
            writing = selectors.EVENT_WRITE if self._rest else 0
        selector.modify(self._sock, selectors.EVENT_READ | writing)
        for key, mask in selector.select(wait):
            if key.fileobj is self._wake_in:
                self._drain_wake()
            elif mask & selectors.EVENT_READ:
                self._read()
        return True

    def _drain_wake(self) -> None:
        try:
            while self._wake_in.recv(4096):
                pass
        except BlockingIOError:
            pass

    def _read(self) -> None:
        try:
            data = self._sock.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as e:
            with self.lock:
                self.session.lost("the connection broke: %s" % e)
            return
        with self.lock:
            if data:
                self.session.receive(data)
            else:
                self.session.lost()

    def flush(self) -> None:
        """Sends what the socket takes now; the I/O thread sends the rest. Holds lock."""
        was = bool(self._rest)
        while True:
            data = self._rest or self.session.data_to_send()
            if not data:
                break
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                self._rest = data
                break
            except OSError as e:
                self._rest = b""
                self.session.lost("the connection broke: %s" % e)
                break
            self._rest = data[sent:]
        if self._rest and not was or self.session.state == "closed":
            self._wake()
        elif was and not self._rest:
            self.room.notify_all()

    def _wake(self) -> None:
        try:
            self._wake_out.send(b"!")
        except OSError:
            pass  # full: it is awake anyway, or it has ended

    def _finish(self) -> None:
        with self.lock:
            self.flush()
            error = self.session.error
        if error is not None and not error.remote:
            self._linger()
        with self.lock:
            self._sock.close()
            self._wake_in.close()
            self._wake_out.close()
            self._workers.shutdown(wait=False)
            self._events.shutdown(wait=False)
            self.room.notify_all()

    def _linger(self) -> None:
        """Waits for the peer to close, so that it reads what was sent last: a socket that is closed
        with something unread may take that back."""
        clock = Clock(LINGER)
        try:
            self._sock.shutdown(socket.SHUT_WR)
            self._sock.settimeout(LINGER)
            while not clock.over() and self._sock.recv(READ_SIZE):
                pass
        except OSError:
            pass

    # Host.

    def on_open(self) -> None:
        self.room.notify_all()

    def on_end(self, error: StatusError) -> None:
        self.room.notify_all()

    def on_room(self) -> None:
        self.room.notify_all()

    def bind(self, bind: Bind) -> Any:
        return self.offers.bind(bind)

    def on_event(self, event: WireEvent) -> None:
        self._events.submit(self._tell, event)

    def on_call(self, call: Exchange) -> None:
        try:
            self.offers.admit(call, self._running)
        except StatusError as e:
            self.session.fail(call, e)
            return
        changed = threading.Condition(self.lock)

        def notify() -> None:
            changed.notify_all()
            self.room.notify_all()  # the handler may wait for credit

        call.notify = notify
        self._running += 1
        self._workers.submit(self._serve, call, changed)

    # Handlers.

    def _tell(self, raw: WireEvent) -> None:
        with self.lock:
            listeners = self.offers.listening(raw.bind)
        try:
            event = surface.event_of(self.session, raw)
        except Exception as e:
            self.offers.complain(e, "event %s does not decode" % (raw.bind,))
            listeners = []
        for listener in listeners:
            try:
                listener(event)
            except Exception as e:
                self.offers.complain(e, "a listener for event %s failed" % (raw.bind,))
        with self.lock:
            self.session.consumed(raw)
            self.flush()

    def _serve(self, call: Exchange, changed: threading.Condition) -> None:
        surface.CURRENT.set(surface.IncomingCall(self.session, call, lambda timeout: self._withdrawn(call, changed, timeout)))
        try:
            item: Optional[Item] = surface.answer(call, self._produce(call, changed))
            error = None
        except Exception as e:
            item, error = None, surface.failure(e)
        finally:
            surface.CURRENT.set(None)
        with self.lock:
            self._running -= 1
            if error is not None:
                self.session.fail(call, error)
            elif item is not None:
                self.session.reply(call, item)
            self.flush()

    def _withdrawn(self, call: Exchange, changed: threading.Condition, timeout: Optional[float]) -> bool:
        with changed:
            return changed.wait_for(lambda: call.cancelled is not None, timeout)

    def _produce(self, call: Exchange, changed: threading.Condition) -> Any:
        """Runs the handler; what it yields are items."""
        arguments = [surface.request_of(call)]
        if call.shape in (wire.CLIENT_STREAM, wire.DUPLEX):
            arguments.append(Incoming(self, call, changed))
        result = call.target.function(*arguments)
        if call.shape not in (wire.SERVER_STREAM, wire.DUPLEX):
            return result
        items = iter(result)
        try:
            while True:
                try:
                    value = next(items)
                except StopIteration as end:
                    return end.value
                self.send(call, surface.answer_item(call, value), Clock(None))
        finally:
            if hasattr(items, "close"):
                items.close()

    # What callers and handlers wait for.

    def send(self, call: Exchange, item: Item, clock: Clock) -> None:
        """Sends an item, once there is credit for it."""
        with self.room:
            while not self.session.send_item(call, item):
                self.flush()
                if not self.room.wait(clock.left()):
                    raise surface.deadline_exceeded(safe=True)
            self.flush()

    def receive(self, call: Exchange, changed: threading.Condition, clock: Clock) -> Optional[Item]:
        """The next item, None after the last one."""
        with changed:
            while True:
                item = self.session.take_item(call)
                if item is not None:
                    self.flush()
                    return item
                if call.error is not None:
                    raise call.error.again()
                if call.peer_end:
                    return None
                if not changed.wait(clock.left()):
                    raise surface.deadline_exceeded()

    def emit(self, bind: Bind, item: Item, timeout: Optional[float]) -> None:
        clock = Clock(timeout)
        with self.room:
            while not self.session.emit(bind, item):
                self.flush()
                if not self.room.wait(clock.left()):
                    raise surface.deadline_exceeded(safe=True)
            self.flush()

    def ping(self, timeout: Optional[float]) -> None:
        """Returns when the peer has read everything sent before."""
        clock = Clock(timeout)
        answers: List[Optional[StatusError]] = []
        with self.room:
            self.room.wait_for(lambda: self.session.state == "closed" or not self.session.has_data, clock.left())
            self.session.ping(answers.append)
            self.flush()
            if not self.room.wait_for(lambda: answers, clock.left()):
                raise surface.deadline_exceeded()
        if answers[0] is not None:
            raise answers[0].again()


class Incoming:
    """The items that a caller sends, as its handler iterates over them."""

    def __init__(self, link: Link, call: Exchange, changed: threading.Condition) -> None:
        self._link, self._call, self._changed = link, call, changed

    def __iter__(self) -> "Incoming":
        return self

    def __next__(self) -> Any:
        item = self._link.receive(self._call, self._changed, Clock(None))
        if item is None:
            raise StopIteration
        return surface.value_of(item)
