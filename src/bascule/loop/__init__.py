"""The event loop and its transports; the only package that imports uvloop and aiofastnet.

choice     the event loop, and its name
transport  the contract of transports
poller     waiting for many connections at once
plain      transports on a poller, for connections without TLS
syscalls   the system calls of both
acceptor   accepting connections on a listening socket
handshake  TLS connections, and alerts for clients whose handshake fails
fastnet    the same with aiofastnet's transports
proxied    the PROXY header before a connection's own bytes
files      sending a file over a connection
page_cache reading a file without waiting for its disk
reading    continuing to read after a pause
"""

from bascule.loop.acceptor import Acceptor, listen
from bascule.loop.choice import loop_factory, loop_name, new_event_loop
from bascule.loop.files import sendfile
from bascule.loop.reading import resume_reading

__all__ = [
    "Acceptor",
    "listen",
    "loop_factory",
    "loop_name",
    "new_event_loop",
    "resume_reading",
    "sendfile",
]
