# SPDX-License-Identifier: Apache-2.0
"""Client of the Plexus IPC protocol: typed calls, streams and publications between processes.

    import plexus_ipc

    with plexus_ipc.connect("unix:///run/demo.sock") as hub:
        print(hub.call("math/add", [20, 22], timeout=1))

plexus_ipc.aio has the same for asyncio.
"""

from .child import Parent, parent
from .client import CallFuture, Client, Registration, Stream, Subscription, connect
from .codec import Encoded, Fixed
from .handshake import Config
from .service import Service, Topic
from .status import Code, StatusError
from .surface import Event, IncomingCall, Publication, Receipt, current

__all__ = [
    "CallFuture", "Client", "Code", "Config", "Encoded", "Event", "Fixed", "IncomingCall", "Parent", "Publication", "Receipt",
    "Registration", "Service", "StatusError", "Stream", "Subscription", "Topic", "connect", "current", "parent",
]
__version__ = "0.1.0"
