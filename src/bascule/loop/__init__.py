"""The event loop and its transports; the only package that imports uvloop and aiofastnet.

choice     which loop, and what it is called
acceptor   accepting connections on a listening socket
files      sending a file over a connection
"""

from bascule.loop.acceptor import Acceptor, listen
from bascule.loop.choice import loop_name, new_event_loop, transport_name
from bascule.loop.files import sendfile

__all__ = [
    "Acceptor",
    "listen",
    "loop_name",
    "new_event_loop",
    "sendfile",
    "transport_name",
]
