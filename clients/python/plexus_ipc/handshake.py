# SPDX-License-Identifier: Apache-2.0
"""The dialler's side of the handshake: docs/protocol.md, sections 2 and 4."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from . import auth, wire
from .status import Code, StatusError
from .wire import Frame, WireError

MAX_ROUNDS = 8


@dataclass
class Config:
    """One side of a session. Limits are what this side takes from the other."""

    id: str = ""
    secret: Optional[bytes] = None
    product: str = "plexus-python/0.1"
    metadata: Dict[str, str] = field(default_factory=dict)
    instance: str = ""
    epoch: int = 0
    heartbeat: float = 0.0  # seconds of silence, 0 for none
    max_message: int = 8 << 20
    max_calls: int = 1024
    max_routes: int = 4096
    stream_window: int = 256 << 10
    route_window: int = 256 << 10
    max_queued: int = 256 << 20  # bytes that wait for this program, all calls and routes together

    def limits(self) -> Dict[str, int]:
        return {"message": self.max_message, "calls": self.max_calls, "routes": self.max_routes,
                "stream": self.stream_window, "route": self.route_window}


class Handshake:
    """Takes frames until it is done. Failures are StatusError or WireError."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._received = 0
        self._step = "preface"
        self._rounds = 0
        self._raw = b""
        self._exchange: Optional[auth.Exchange] = None
        self.peer: Dict[str, Any] = {}
        self.id = ""
        self.identity = ""
        self.transcript = b""
        self.done = False

    def begin(self) -> List[bytes]:
        c = self._config
        hello: Dict[str, Any] = {
            "product": c.product, "id": c.id, "instance": c.instance or secrets.token_hex(16), "epoch": c.epoch,
            "nonce": secrets.token_hex(32), "auth": auth.mechanisms(c.secret), "limits": c.limits(), "codecs": ["json", "raw"],
            "metadata": c.metadata, "heartbeat_ms": int(c.heartbeat * 1000),
        }
        self._raw = wire.pack_json({k: v for k, v in hello.items() if v})
        if len(self._raw) > wire.MAX_HANDSHAKE // 2:
            raise StatusError(Code.INVALID_ARGUMENT, "the metadata is too long")
        return [wire.pack_preface(), Frame(wire.HELLO, payload=self._raw).pack()]

    def receive(self, raw: bytes) -> List[bytes]:
        """Takes a frame and returns what to send."""
        if self._step == "preface":
            major, minor = wire.parse_preface(raw)
            if major != wire.MAJOR:
                raise StatusError(Code.PROTOCOL, "the peer speaks version %d.%d of the protocol, this side %d.%d" % (major, minor, wire.MAJOR, wire.MINOR))
            self._step = "hello"
            return []
        self._received += len(raw)
        if self._received > wire.MAX_HANDSHAKE:
            raise WireError("long", "the peer sent more than %d bytes before the handshake was over" % wire.MAX_HANDSHAKE)
        frame = wire.parse_frame(raw)
        if frame.kind == wire.GOAWAY:
            raise wire.parse_error(frame.payload)
        if frame.kind == (wire.HELLO if self._step == "hello" else wire.AUTH):
            return self._hello(frame.payload) if self._step == "hello" else self._auth(frame.payload)
        if frame.flags & wire.IGNORABLE:
            return []
        raise WireError("kind", "the peer sent a frame of kind %d in the handshake" % frame.kind)

    def _hello(self, payload: bytes) -> List[bytes]:
        peer = wire.parse_hello(payload)
        if not 32 <= len(peer["nonce"]) <= 256:
            raise WireError("json", "the nonce in the peer's HELLO is too short or too long")
        limits = peer["limits"]
        if not all(limits.values()):
            raise WireError("json", "a limit in the peer's HELLO is zero")
        limits["calls"] = min(limits["calls"], wire.SLOTS)
        limits["routes"] = min(limits["routes"], 1 << 20)
        self.peer = peer
        mechanism = auth.select(auth.mechanisms(self._config.secret), peer["auth"])
        self.transcript = auth.transcript(self._raw, payload)
        self._exchange = auth.Exchange(mechanism, self._config.secret, self.transcript)
        self._step = "auth"
        return [self._say(mechanism, self._exchange.first())]

    def _auth(self, payload: bytes) -> List[bytes]:
        answer = wire.parse_auth(payload)
        assert self._exchange is not None
        self._exchange.check(answer["data"])
        if answer["done"]:
            self.id, self.identity, self.done = answer["id"], answer["identity"], True
            return []
        self._rounds += 1
        if self._rounds >= MAX_ROUNDS:
            raise StatusError(Code.UNAUTHENTICATED, "the authentication takes too many rounds")
        return [self._say("", b"")]

    def _say(self, mechanism: str, data: bytes) -> bytes:
        body = {"mechanism": mechanism, "data": base64.b64encode(data).decode()}
        return Frame(wire.AUTH, payload=wire.pack_json({k: v for k, v in body.items() if v})).pack()
