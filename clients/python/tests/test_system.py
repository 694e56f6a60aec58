# SPDX-License-Identifier: Apache-2.0
"""What a hub says itself, and what its administrators do, from Python."""

from __future__ import annotations

import os
import queue
import sys
import unittest
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peer
from peer import PATIENCE

import plexus_ipc
from plexus_ipc import Code, StatusError


class System(unittest.TestCase):
    def client(self, **options: Any) -> plexus_ipc.Client:
        c = plexus_ipc.connect(peer.address("hub"), timeout=PATIENCE, **options)
        self.addCleanup(c.close)
        return c

    def test_events_messages_and_removal(self) -> None:
        admin, other = self.client(), self.client(id="py-other")
        with admin.subscribe("$/events.>") as events:
            other.provide("system/add", sum)
            self.assertEqual(self.event(events, "events.provide")["name"], "add")
            notes: "queue.Queue[Any]" = queue.Queue()
            other.on_event("$/note", notes.put)
            admin.operate("tell", {"member": "py-other", "name": "note", "payload": {"x": 1}})
            note = notes.get(timeout=PATIENCE)
            self.assertEqual((note.channel, note.value), ("$", {"x": 1}))
            admin.operate("kick", {"member": "py-other", "reason": "bye"})
            self.assertIn("bye", self.event(events, "events.evict")["reason"])
            self.assertEqual(self.event(events, "events.disconnect")["code"], "evicted")
        self.assertIn("routed", admin.operate("stats", {})["calls"])
        with self.assertRaises(StatusError) as caught:
            admin.operate("kick", {"member": "py-other"})
        self.assertEqual(caught.exception.code, Code.NOT_FOUND)

    def event(self, events: Any, topic: str) -> Any:
        for p in events:
            if p.topic == topic and p.value["member"] == "py-other":
                return p.value
        raise AssertionError("the subscription ended before " + topic)


if __name__ == "__main__":
    unittest.main()
