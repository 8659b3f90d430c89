"""Request bodies without Content-Length, for applications that ask for one.

A chunked body, and one over HTTP/2 that declares nothing, has an end but no length. What a WSGI
application makes of it depends: some read up to the end, because `wsgi.input_terminated` says
that they may (Flask, WebOb, Falcon's stream); others read as many bytes as CONTENT_LENGTH says,
and without it none (Django, what is written to PEP 3333 alone). Nothing in the environ tells the
server which it is.

So such a body is collected before the call, and the application is told its length:

    it is here whole           the call has CONTENT_LENGTH, and no Transfer-Encoding: nothing is
                               chunked any more, and applications that decode chunks (Bottle)
                               would find none
    it stops coming for a      the call begins, and reads on as it comes: the client may want to
    while                      see an answer first
    it is larger than the      likewise
    buffer

For an application that is known to read by length the last two would be a body that is silently
empty, so for it a body is collected however slowly it comes, which takes no thread, and one that
is too large is answered 413.

Rejected: to collect always, which ends what streams; to have the application remembered by what
it did with the last such body, because then the same request has two answers; a CONTENT_LENGTH
that waits when it is read, because environ has strings; a temporary file, because Bascule writes
none.
"""

import io
from typing import Any

# By where their classes are defined.
READ_BY_LENGTH = {("django.core.handlers.wsgi", "WSGIHandler"), ("bottle", "Bottle")}
# Where middleware keeps what it wraps, and how deep that is looked for.
INSIDE = ("__wrapped__", "application", "app", "wsgi_app", "handler")
DEEPEST = 8

# Bytes of all bodies that are being collected at a time; past it they are passed on as large ones
# are. Sixteen of the largest.
COLLECTED_AT_ONCE = 64 * 1024 * 1024

# Ticks. A mobile network may be silent for a second, and the application may be one that sees
# nothing of what comes after that; a client that waits for an answer can wait this long.
PATIENCE = 8

TOO_LARGE = b"a request body without Content-Length is too large to be collected\n"


class BodyBuffer:
    """The memory for bodies that are being collected, of all requests to an application.

    limit: the most for one body; 0 for none at all. patience: ticks without a byte after which a
    body has stopped coming. taken: bytes in all. by_length: the application is known to read by
    length.
    """

    __slots__ = ("by_length", "limit", "patience", "taken")

    def __init__(self, app: Any) -> None:
        self.limit = 4 * 1024 * 1024
        self.patience = PATIENCE
        self.taken = 0
        self.by_length = reads_by_length(app)


class Collected:
    """A body that is being collected. quiet: ticks in which nothing of it came."""

    __slots__ = ("buffer", "data", "quiet", "size")

    def __init__(self, buffer: BodyBuffer) -> None:
        self.buffer = buffer
        # Not a list: a peer that sends its body byte by byte would have a list of them.
        self.data = io.BytesIO()
        self.size = 0
        self.quiet = 0

    def has_stopped(self) -> bool:
        """Asked at each tick: nothing has come for a while."""
        self.quiet += 1
        return self.quiet > self.buffer.patience

    def add(self, data: bytes) -> bool:
        """Keep a piece; False when that was one too many."""
        buffer = self.buffer
        self.data.write(data)
        self.size += len(data)
        buffer.taken += len(data)
        self.quiet = 0
        return self.size <= buffer.limit and buffer.taken <= COLLECTED_AT_ONCE

    def release(self) -> bytes:
        """All of it; the buffer has room again."""
        self.buffer.taken -= self.size
        self.size = 0
        return self.data.getvalue()


def reads_by_length(app: Any) -> bool:
    """Whether the application, or one in it, is known to read no more than CONTENT_LENGTH says.
    One that says so itself has `reads_by_length`."""
    for _ in range(DEEPEST):
        kinds = {(kind.__module__, kind.__name__) for kind in type(app).__mro__}
        if kinds & READ_BY_LENGTH or getattr(type(app), "reads_by_length", False):
            return True
        inside = getattr(app, "__dict__", {})
        app = next((inside[name] for name in INSIDE if callable(inside.get(name))), None)
        if app is None:
            break
    return False
