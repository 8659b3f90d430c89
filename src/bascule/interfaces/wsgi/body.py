"""Request bodies without Content-Length, for applications that ask for one.

A chunked body, and a body over HTTP/2 that declares no length, has an end but no length. WSGI
applications differ here: some read up to the end, because `wsgi.input_terminated` allows it
(Flask, WebOb, Falcon's stream); others read as many bytes as CONTENT_LENGTH says, and without it
none (Django, and applications written to PEP 3333 alone). The server cannot see which kind an
application is.

So such a body is collected before the call, which then has its length:

    it is here whole           the call has CONTENT_LENGTH, and no Transfer-Encoding: nothing is
                               chunked any more, and applications that decode chunks (Bottle)
                               would find none
    it stops coming for a      the call begins, and reads on as it comes: the client may want to
    while                      see an answer first
    it is larger than the      likewise
    buffer

An application that is known to read by length would silently see an empty body in the last two
cases. For it a body is collected however slowly it comes, which takes no thread, and a body that
is too large is answered with 413.

Rejected: to collect always, which ends streaming; to remember what an application did with the
last such body, because then the same request has two responses; a CONTENT_LENGTH that waits when
it is read, because an environ has strings; a temporary file, because Bascule writes none.
"""

import io
from typing import Any

# By the modules and names of their classes.
READ_BY_LENGTH = {("django.core.handlers.wsgi", "WSGIHandler"), ("bottle", "Bottle")}
# The attributes in which middleware keeps the application, and how many layers are searched.
INSIDE = ("__wrapped__", "application", "app", "wsgi_app", "handler")
DEEPEST = 8

# Bytes of all bodies that are collected at a time; beyond that they are passed on as large ones
# are. Sixteen of the largest.
COLLECTED_AT_ONCE = 64 * 1024 * 1024

# Ticks. A mobile network may be silent for a second, and the application may be one that does not
# see the bytes that come after that; a client that waits for a response can wait this long.
PATIENCE = 8

TOO_LARGE = b"a request body without Content-Length is too large to be collected\n"


class BodyBuffer:
    """The memory for bodies that are being collected, of all requests to an application.

    limit: the most bytes of one body; 0 collects none.
    patience: ticks without a byte after which a body has stopped coming.
    taken: bytes of all bodies.
    by_length: the application is known to read by length.
    """

    __slots__ = ("by_length", "limit", "patience", "taken")

    def __init__(self, app: Any, limit: int, patience: int) -> None:
        self.limit = limit
        self.patience = patience
        self.taken = 0
        self.by_length = reads_by_length(app)


class Collected:
    """A body that is being collected. quiet: ticks in which nothing of it came."""

    __slots__ = ("buffer", "data", "quiet", "size")

    def __init__(self, buffer: BodyBuffer) -> None:
        self.buffer = buffer
        # Rejected: a list, which would be long for a peer that sends its body byte by byte.
        self.data = io.BytesIO()
        self.size = 0
        self.quiet = 0

    def has_stopped(self) -> bool:
        """Return whether the body has stopped coming. Called at each tick."""
        self.quiet += 1
        return self.quiet > self.buffer.patience

    def add(self, data: bytes) -> bool:
        """Keep a piece; False when the body has become too large."""
        buffer = self.buffer
        self.data.write(data)
        self.size += len(data)
        buffer.taken += len(data)
        self.quiet = 0
        return self.size <= buffer.limit and buffer.taken <= COLLECTED_AT_ONCE

    def release(self) -> bytes:
        """Return the whole body, and free its room in the buffer."""
        self.buffer.taken -= self.size
        self.size = 0
        return self.data.getvalue()


def reads_by_length(app: Any) -> bool:
    """Return whether the application, or one that it wraps, is known to read no more than
    CONTENT_LENGTH says. An application can declare it by an attribute `reads_by_length`."""
    for _ in range(DEEPEST):
        kinds = {(kind.__module__, kind.__name__) for kind in type(app).__mro__}
        if kinds & READ_BY_LENGTH or getattr(type(app), "reads_by_length", False):
            return True
        inside = getattr(app, "__dict__", {})
        app = next((inside[name] for name in INSIDE if callable(inside.get(name))), None)
        if app is None:
            break
    return False
