# SPDX-License-Identifier: Apache-2.0
"""What went wrong: codes, and the exception that carries one."""

from __future__ import annotations

import enum
from typing import Optional

__all__ = ["Code", "StatusError", "SAFE"]


class Code(enum.IntEnum):
    """The codes of docs/protocol.md, section 14."""

    OK = 0
    CANCELLED = 1
    DEADLINE_EXCEEDED = 2
    INVALID_ARGUMENT = 3
    NO_PROVIDER = 4
    UNKNOWN_METHOD = 5
    PEER_GONE = 6
    UNAVAILABLE = 7
    OVERLOADED = 8
    TOO_LARGE = 9
    PERMISSION_DENIED = 10
    UNAUTHENTICATED = 11
    ALREADY_EXISTS = 12
    NOT_FOUND = 13
    UNDECLARED = 14
    NOT_OWNER = 15
    UNIMPLEMENTED = 16
    PROTOCOL = 17
    BUSY = 18
    INTERNAL = 19
    FAILED = 20
    CLOSED = 21
    LIMIT_EXCEEDED = 22
    UNSUPPORTED = 23
    WRONG_SHAPE = 24
    EVICTED = 25
    TERMINATED = 26
    FAILED_PRECONDITION = 27
    DATA_LOSS = 28
    LOCKED = 29


SAFE = frozenset({Code.NO_PROVIDER, Code.UNKNOWN_METHOD, Code.UNAVAILABLE, Code.OVERLOADED, Code.BUSY, Code.WRONG_SHAPE, Code.LOCKED})

RETRY_BY_CODE, RETRY_SAFE, RETRY_UNSAFE = 0, 1, 2


class StatusError(Exception):
    """A failure with a code.

    code is a Code, or an int that this version does not know. retryable tells whether the
    operation has certainly not taken effect. remote tells whether the other side said so.
    """

    def __init__(self, code: int, message: str = "", *, details: bytes = b"", retry: int = RETRY_BY_CODE, remote: bool = False) -> None:
        try:
            self.code: int = Code(code)
        except ValueError:
            self.code = code
        self.message = message
        self.details = details
        self.retry = retry
        self.remote = remote
        super().__init__(message)

    @property
    def name(self) -> str:
        """The name of the code, such as "unknown_method"."""
        return self.code.name.lower() if isinstance(self.code, Code) else "code_%d" % self.code

    @property
    def retryable(self) -> bool:
        if self.retry == RETRY_BY_CODE:
            return self.code in SAFE
        return self.retry == RETRY_SAFE

    def unsent(self) -> "StatusError":
        """The same for an operation that was not sent: a retry is safe."""
        return StatusError(self.code, self.message, details=self.details, retry=RETRY_SAFE, remote=self.remote)

    def again(self) -> "StatusError":
        """A copy to raise: one exception object collects the tracebacks of all its raisers."""
        return StatusError(self.code, self.message, details=self.details, retry=self.retry, remote=self.remote)

    def __str__(self) -> str:
        return "%s: %s" % (self.name, self.message) if self.message else self.name


def convert(error: BaseException, code: Optional[int] = None) -> StatusError:
    """error as a StatusError: what a handler raised becomes "failed"."""
    if isinstance(error, StatusError):
        return error
    text = str(error) or type(error).__name__
    return StatusError(Code.FAILED if code is None else code, text)
