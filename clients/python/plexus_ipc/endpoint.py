# SPDX-License-Identifier: Apache-2.0
"""Addresses: unix:///path (also written shm:///path), unix://@abstract, tcp://host:port and fd://N."""

from __future__ import annotations

import socket
from typing import NamedTuple, Optional, Tuple, Union
from urllib.parse import unquote, urlsplit

from .status import Code, StatusError


class Endpoint(NamedTuple):
    scheme: str  # "unix", "tcp" or "fd"
    address: Union[str, Tuple[str, int]]  # the number, as text, for fd

    @property
    def host_and_port(self) -> Tuple[str, int]:
        assert not isinstance(self.address, str)
        return self.address

    @property
    def remote(self) -> bool:
        """Whether the death of the peer's machine may go unnoticed."""
        return self.scheme == "tcp"

    def connect(self, timeout: Optional[float]) -> socket.socket:
        """A connected socket."""
        try:
            if self.scheme == "fd":
                return self.inherited()
            if self.scheme == "unix":
                return self._unix(timeout)
            s = socket.create_connection(self.host_and_port, timeout)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return s
        except OSError as e:
            raise StatusError(Code.UNAVAILABLE, "dial %s: %s" % (self, e)) from e

    def inherited(self) -> socket.socket:
        """The connected socket that the parent process has handed over. It is taken: a second time it is gone."""
        s = socket.socket(fileno=int(str(self.address)))
        s.set_inheritable(False)
        return s

    def _unix(self, timeout: Optional[float]) -> socket.socket:
        if not hasattr(socket, "AF_UNIX"):
            raise StatusError(Code.UNSUPPORTED, "Python has no unix sockets on this platform; use tcp")
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            s.settimeout(timeout)
            s.connect(self.address)
        except BaseException:
            s.close()
            raise
        return s

    def __str__(self) -> str:
        if self.scheme == "unix":
            path = str(self.address)
            return "unix://" + ("@" + path[1:] if path.startswith("\0") else path)
        if self.scheme == "fd":
            return "fd://" + str(self.address)
        host, port = self.host_and_port
        return "tcp://%s:%s" % ("[%s]" % host if ":" in str(host) else host, port)


def parse(text: str) -> Endpoint:
    try:
        return _parse(text)
    except ValueError as e:
        raise StatusError(Code.INVALID_ARGUMENT, "address %r: %s" % (text, e)) from None


def _parse(text: str) -> Endpoint:
    parts = urlsplit(text)
    if parts.scheme in ("unix", "shm"):  # where memory is shared a plain socket is served as well
        if parts.netloc.startswith("@") and not parts.path:
            name = unquote(parts.netloc[1:])
            if not 0 < len(name.encode()) <= 107:
                raise ValueError("an abstract name has 1 to 107 bytes")
            return Endpoint("unix", "\0" + name)
        path = unquote(parts.path)
        if parts.netloc or not path.startswith("/") or "\0" in path:
            raise ValueError("write unix:///path or unix://@name")
        return Endpoint("unix", path)
    if parts.scheme == "tcp":
        if not parts.hostname or not parts.port or parts.path:
            raise ValueError("write tcp://host:port")
        return Endpoint("tcp", (parts.hostname, parts.port))
    if parts.scheme == "fd":
        if not parts.netloc.isdecimal() or int(parts.netloc) < 3 or parts.path:
            raise ValueError("write fd://N, where N is 3 or more")
        return Endpoint("fd", str(int(parts.netloc)))
    raise ValueError("this client knows unix:///path, unix://@name, tcp://host:port and fd://N")
