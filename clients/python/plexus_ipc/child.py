# SPDX-License-Identifier: Apache-2.0
"""The child's side of supervision: what the process that started this one has handed over."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import Any, List, Optional, Sequence, Tuple

from .client import Client, connect
from .status import Code, StatusError

ENDPOINT, LIFELINE, DIRECTORY = "PLEXUS_ENDPOINT", "PLEXUS_LIFELINE", "PLEXUS_CHILD_DIR"
FLAG = "--plexus-endpoint"


def parent(args: Optional[Sequence[str]] = None, **options: Any) -> "Parent":
    """Finds what "plexus run" or the Go package supervise has handed over, in the arguments or the
    environment, and connects. options are those of connect. What was handed over is taken out of
    the environment. Without anything it raises a StatusError with FAILED_PRECONDITION.
    """
    address, rest = _find(sys.argv[1:] if args is None else list(args))
    line = os.environ.get(LIFELINE)
    if not address and not line:
        raise StatusError(Code.FAILED_PRECONDITION, "nothing was handed over: this program was not started by a supervisor")
    directory = os.environ.get(DIRECTORY, "")
    life: Optional[socket.socket] = None
    if line:
        life = socket.socket(fileno=int(line))
        life.set_inheritable(False)
        life.sendall(b"here\n")
    for name in (ENDPOINT, LIFELINE, DIRECTORY):
        os.environ.pop(name, None)
    try:
        client = connect(address, **options) if address else None
        if client and life:
            life.sendall(b"linked\n")
    except BaseException:
        if life:
            life.close()
        raise
    return Parent(client, life, rest, directory)


def _find(args: List[str]) -> Tuple[str, List[str]]:
    for i, arg in enumerate(args):
        if arg == "--":
            break
        if arg.startswith(FLAG + "="):
            return arg[len(FLAG) + 1 :], args[:i] + args[i + 1 :]
        if arg == FLAG and i + 1 < len(args):
            return args[i + 1], args[:i] + args[i + 2 :]
    return os.environ.get(ENDPOINT, ""), args


class Parent:
    """The one who started this process. Also a context manager."""

    def __init__(self, client: Optional[Client], life: Optional[socket.socket], args: List[str], directory: str) -> None:
        self._client = client
        self._life = life
        self.args = args  # of the process, without what the parent has added
        self.directory = directory  # for this process alone, "" for none
        self._done = threading.Event()
        self._watch: Optional[threading.Thread] = None
        if life:
            self._watch = threading.Thread(target=self._listen, args=(life,), name="plexus-lifeline", daemon=True)
            self._watch.start()

    @property
    def client(self) -> Client:
        """The connection with the parent."""
        if self._client is None:
            raise StatusError(Code.FAILED_PRECONDITION, "the parent has handed over no address")
        return self._client

    def _listen(self, life: socket.socket) -> None:
        try:
            while life.recv(64):
                pass
        except OSError:
            pass  # closed here
        self._done.set()

    def ready(self, address: str = "") -> None:
        """Tells the parent that this process can be used now, and at what address it listens."""
        if self._life:
            self._life.sendall(("ready %s" % address).strip().encode() + b"\n")

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until this process shall end: the parent wants it, or has gone. Whether it shall."""
        return self._done.wait(timeout)

    def close(self) -> None:
        if self._client:
            self._client.close()
        if self._life:
            try:
                self._life.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the parent has gone
            if self._watch:
                self._watch.join()
            self._life.close()
        self._done.set()

    def __enter__(self) -> "Parent":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
