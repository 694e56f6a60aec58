# SPDX-License-Identifier: Apache-2.0
"""The Go peer that the tests talk to: built once, started once, gone at the end."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from typing import Any, Dict, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.dirname(HERE)
ROOT = os.path.dirname(os.path.dirname(CLIENT))
if CLIENT not in sys.path:
    sys.path.insert(0, CLIENT)

SECRET = "a secret of the tests"
PATIENCE = 20.0  # for what must happen; never waited for in full


class GoPeer:
    """One process of clients/python/testpeer."""

    def __init__(self, program: str, folder: str) -> None:
        os.mkdir(folder)
        self._process = subprocess.Popen([program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.addresses: Dict[str, str] = json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.communicate(timeout=PATIENCE)


class _House:
    """The program, built once, and the peer that most tests share."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="plexus-py-")
        self._peers = 0
        self.shared: Optional[GoPeer] = None
        atexit.register(self.close)
        self._program = os.path.join(self.folder, "testpeer")
        subprocess.run(["go", "build", "-o", self._program, "."], cwd=os.path.join(CLIENT, "testpeer"), check=True)
        self.shared = self.start()

    def start(self) -> GoPeer:
        self._peers += 1
        return GoPeer(self._program, os.path.join(self.folder, str(self._peers)))

    def close(self) -> None:
        try:
            if self.shared is not None:
                self.shared.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


_house: Optional[_House] = None


def house() -> _House:
    global _house
    if _house is None:
        _house = _House()
    return _house


def address(name: str) -> str:
    """Where the Go peer listens: direct, tcp, abstract, small, secret, peersecret, hub, hubtcp."""
    shared = house().shared
    assert shared is not None
    return shared.addresses[name]


def vectors(path: str) -> Any:
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return json.load(f)


class Case(unittest.TestCase):
    """A test that leaves no thread behind."""

    def setUp(self) -> None:
        self.addCleanup(self._no_threads, set(threading.enumerate()))

    def _no_threads(self, before: Any) -> None:
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), "thread %s is left" % thread.name)

    def fails(self, code: int, f: Any, *arguments: Any, **options: Any) -> Any:
        """Asserts that f fails with a code and returns the error."""
        from plexus_ipc import StatusError

        with self.assertRaises(StatusError) as caught:
            f(*arguments, **options)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return caught.exception
