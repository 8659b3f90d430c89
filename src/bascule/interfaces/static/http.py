"""Answering requests for files: GET, HEAD and OPTIONS, conditions and ranges.

    request -> StaticInterface.exchange -> a file below the mount point?
        yes   StaticExchange: conditions, range, head, body
        no    the application behind, where there is one; else the fallback, 404.html or 404

Looking up a path and reading what is in the page cache happen on the loop, because a hop to a
thread costs more than both. Small contents that are not there are read in a thread. Larger ones
leave by the carrier's `send_file`.

**A response that looks complete is complete.** A file may be written to, cut short or replaced
while it is sent. Small files are read in one piece, and their size and times compared before and
after. Of larger ones the last bytes are held back until everything before them has left; if the
file has changed by then, the connection is aborted instead, and the client sees that the response
is cut.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

from bascule.interfaces.answers import (
    PLAIN_TEXT,
    TRY_AGAIN,
    ServerResponse,
    WithoutApplication,
)
from bascule.interfaces.composite import CompositeInterface
from bascule.interfaces.exchange import Carrier, Exchange, Interface
from bascule.interfaces.static.conditions import (
    NOT_MODIFIED,
    PRECONDITION_FAILED,
    evaluate,
    joined,
    may_send_part,
    single,
)
from bascule.interfaces.static.files import (
    RANGES,
    SENT_WHOLE,
    File,
    Files,
    identity_of,
)
from bascule.interfaces.static.paths import file_path
from bascule.interfaces.static.ranges import Part, multipart, parse_range
from bascule.interfaces.static.tree import Found
from bascule.loop import page_cache
from bascule.mounting import MountPoint, path_below
from bascule.protocols.events import Request
from bascule.protocols.headers import Fields

logger = logging.getLogger("bascule")

INDEX = b"index.html"
NOT_FOUND_PAGE = b"404.html"
ALLOW = (b"allow", b"GET, HEAD, OPTIONS")
METHODS = ("GET", "HEAD")
NO_FILE = b"there is no such file\n"
NOT_ALLOWED = b"files can be read only: GET, HEAD, OPTIONS\n"
FORBIDDEN = b"this file cannot be read\n"
FAILED = b"a precondition of the request is not met\n"
NO_RANGE = b"the file has no such range\n"
BUSY = b"the server cannot open files at the moment\n"
# Fields of requests that are preconditions, or ask for a part.
ASKING = frozenset(
    {
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"range",
    }
)
# Held back of a file that leaves by `send_file`, until it is known not to have changed.
HELD_BACK = 1024
# A file that has changed again each time it was to be sent is given up.
TRIES = 3
CHANGING = b"this file is being changed\n"

# One piece of a content: bytes of ours, or a part of the file.
Step = bytes | Part
# Of an exchange that sends no large file.
NO_STEPS: list[Step] = []
NOTHING_HELD_BACK = Part(0, 0)


class StaticInterface(CompositeInterface):
    """Serves the files of one directory, and leaves other requests to an application.

    point: where it is mounted. files: what is there. behind: the interface for what is no file;
    None for a directory that has its paths for itself. fallback: a path below the root, sent with
    200 for page loads that name no file (single-page applications); None for none.
    allow_dot_files: serve names that begin with a dot.
    root_path: what a proxy may have left before each path.
    """

    __slots__ = ("allow_dot_files", "behind", "fallback", "files", "point", "root_path")

    def __init__(
        self,
        point: MountPoint,
        files: Files,
        behind: Interface | None = None,
        fallback: bytes | None = None,
        allow_dot_files: bool = False,
        root_path: str = "",
    ) -> None:
        websockets = None if behind is None else behind.websockets
        super().__init__(() if behind is None else (behind,), websockets)
        self.point = point
        self.files = files
        self.behind = behind
        self.fallback = fallback
        self.allow_dot_files = allow_dot_files
        self.root_path = root_path

    def exchange(self, request: Request, carrier: Carrier) -> Exchange:
        is_read = request.method in METHODS and request.websocket is None
        if is_read and not request.root_path:
            file = self.files.recall(request.path)
            if file is not None:
                return StaticExchange(request, carrier, self.files, file)
        behind = self.behind
        if behind is not None and not is_read:
            return behind.exchange(request, carrier)
        if request.method == "OPTIONS":
            return ServerResponse(request, carrier, 204, [ALLOW])
        found = self.look_up(request, carrier)
        if found is None:
            if behind is not None:
                return behind.exchange(request, carrier)
            return self.missing(request, carrier)
        if is_read:
            return found
        return ServerResponse(request, carrier, 405, [*PLAIN_TEXT, ALLOW], NOT_ALLOWED)

    def look_up(self, request: Request, carrier: Carrier) -> Exchange | None:
        """Return the exchange for what is there, None where nothing is."""
        path = file_path(self.below(request), self.allow_dot_files)
        is_fallback = False
        try:
            found = None if path is None else self.files.find(path)
            if path is not None and isinstance(found, Found):
                found = self.files.find(os.path.join(path, INDEX))
                if isinstance(found, File) and path and not path.endswith(b"/"):
                    location = (b"location", with_slash(request))
                    return ServerResponse(request, carrier, 301, [location])
            if not isinstance(found, File) and self.fallback and may_be_page_load(request):
                found = self.files.find(self.fallback)
                is_fallback = True
        except PermissionError as error:
            logger.warning("%s cannot be read: %s", printable(request), error)
            return ServerResponse(request, carrier, 403, PLAIN_TEXT, FORBIDDEN)
        except OSError as error:
            logger.error("%s cannot be opened: %s", printable(request), error)
            return ServerResponse(request, carrier, 503, TRY_AGAIN, BUSY)
        if not isinstance(found, File):
            return None
        if not is_fallback and not request.root_path:
            self.files.note(request.path, found)
        return StaticExchange(request, carrier, self.files, found)

    def missing(self, request: Request, carrier: Carrier) -> Exchange:
        """Return the exchange for a path without a file: 404.html, or a line of text."""
        try:
            page = self.files.find(NOT_FOUND_PAGE)
        except OSError:
            page = None
        if isinstance(page, File):
            return StaticExchange(request, carrier, self.files, page, 404)
        return ServerResponse(request, carrier, 404, PLAIN_TEXT, NO_FILE)

    def below(self, request: Request) -> bytes:
        """Return the path below the mount point, percent-encoded."""
        root = request.root_path or self.root_path
        path = request.path
        prefix = self.point.prefix
        if root and path_below(path, "") != path_below(path, root):
            prefix = root + prefix
        # As many segments as the prefix has; some may be percent-encoded.
        return b"/" + b"/".join(path.split(b"/")[prefix.count("/") + 1 :])

    def close(self) -> None:
        self.files.close()
        CompositeInterface.close(self)


def may_be_page_load(request: Request) -> bool:
    """Whether a browser wants to show a page under this path. Scripts, styles and images that are
    missing, whose names have a dot, stay missing."""
    if b"." in request.path.rpartition(b"/")[2]:
        return False
    return b"text/html" in (joined(request.fields, b"accept") or b"")


def with_slash(request: Request) -> bytes:
    """Return the reference to the same directory with a slash at its end.

    It is relative, because a proxy in front may have taken a prefix off the path. "./" keeps a
    colon in the name from being read as the end of a scheme (RFC 3986 section 4.2).
    """
    location = b"./" + request.path.rpartition(b"/")[2] + b"/"
    return location + b"?" + request.query if request.query else location


def printable(request: Request) -> str:
    """The path of a request for a line of the log."""
    return ascii(request.path.decode("latin-1"))


class StaticExchange(WithoutApplication):
    """A request for a file.

    files: where it is.
    file: what was found.
    page_status: 200, or 404 for the page that says so.
    variant: the representation that is sent.
    fd: the open file, -1 where none is open.
    steps: what is left to send before the last bytes, the next at the end.
    held_back: the last part, sent only when the file is seen not to have changed.
    closing: what follows it.
    reading: a thread reads from `fd`.
    begun: the head of a large file has been sent.
    """

    __slots__ = (
        "begun",
        "closing",
        "fd",
        "file",
        "files",
        "held_back",
        "page_status",
        "reading",
        "steps",
        "tries",
        "variant",
    )

    def __init__(
        self,
        request: Request,
        carrier: Carrier,
        files: Files,
        file: File,
        page_status: int = 200,
    ) -> None:
        self.request = request
        self.carrier = carrier
        self.body = []
        self.body_size = 0
        self.body_ended = request.ended
        self.trailers = []
        self.disconnected = False
        self.finished_sending = False
        self.held = False
        self.arrived_at = 0.0
        self.waited = 0.0
        self.files = files
        self.file = file
        self.page_status = page_status
        self.variant = file.plain
        self.fd = -1
        self.steps: list[Step] = NO_STEPS
        self.held_back = NOTHING_HELD_BACK
        self.closing = b""
        self.reading = False
        self.begun = False
        self.tries = 0

    # From the carrier.

    def start(self) -> None:
        request = self.request
        file = self.file
        asked: Fields = []
        for field in request.fields:
            if field[0] in ASKING:
                asked.append(field)
        variant = file.plain
        if file.coded:
            variant = file.choose(joined(request.fields, b"accept-encoding"))
        self.variant = variant
        if not asked or self.page_status != 200 or request.method not in METHODS:
            self.send_whole()
            return
        outcome = evaluate(asked, variant.validators)
        if outcome == NOT_MODIFIED:
            self.carrier.respond(304, self.described_304(), b"", True)
        elif outcome == PRECONDITION_FAILED:
            self.carrier.respond(412, PLAIN_TEXT, FAILED, True)
        else:
            self.send_asked(asked)

    def resume_writing(self) -> None:
        if self.disconnected:
            self.steps.clear()
            if not self.reading:
                self.close()
        elif self.fd >= 0 and not self.reading:
            self.pump()

    # The response.

    def send_asked(self, fields: Fields) -> None:
        """Send the file, or the ranges of it that a GET asks for (RFC 9110 section 14.2)."""
        variant = self.variant
        asked = single(fields, b"range") if self.request.method == "GET" else None
        parts = None
        if asked is not None and may_send_part(fields, variant.validators):
            parts = parse_range(asked, variant.size)
        if parts is None:
            self.send_whole()
        elif not parts:
            unsatisfied = (b"content-range", b"bytes */%d" % variant.size)
            self.carrier.respond(416, [*PLAIN_TEXT, RANGES, unsatisfied], NO_RANGE, True)
        elif len(parts) == 1:
            described = (b"content-range", parts[0].content_range(variant.size))
            self.send(206, [described, *variant.fields], parts[0].size, parts)
        else:
            self.send_parts(parts)

    def send_whole(self) -> None:
        variant = self.variant
        body = variant.body
        if body is not None and self.request.method != "HEAD":
            self.carrier.respond(self.page_status, self.described(variant.whole), body, True)
            return
        whole = [Part(0, variant.size)] if variant.size else []
        self.send(self.page_status, variant.fields, variant.size, whole)

    def send_parts(self, parts: list[Part]) -> None:
        """Send several ranges as multipart/byteranges (section 14.6)."""
        variant = self.variant
        boundary = secrets.token_hex(16).encode()
        framed = multipart(parts, variant.size, dict(variant.fields)[b"content-type"], boundary)
        fields = [field for field in variant.fields if field[0] != b"content-type"]
        steps: list[Step] = []
        for heading, part in zip(framed.headings, framed.parts, strict=True):
            steps += [heading, part]
        self.closing = framed.closing
        self.send(206, [(b"content-type", framed.content_type), *fields], framed.size, steps)

    def send(self, status: int, fields: Fields, size: int, steps: "Sequence[Step]") -> None:
        """Send a response with a content of `size` bytes, which are those of `steps`."""
        head = [*self.described(fields), (b"content-length", b"%d" % size)]
        body = self.variant.body
        if self.request.method == "HEAD" or not steps:
            self.carrier.respond(status, head, b"", True)
        elif body is not None:
            self.carrier.respond(status, head, self.assemble(steps, cut(body, steps)), True)
        elif self.open():
            if size <= SENT_WHOLE:
                self.read(status, head, steps)
            else:
                self.begun = True
                self.carrier.respond(status, head, b"", False)
                self.begin(steps)

    def described(self, fields: Fields) -> Fields:
        """Return the fields of a response for those that describe the file."""
        return fields

    def described_304(self) -> Fields:
        """Return the fields of a 304."""
        return self.variant.not_modified

    def assemble(self, steps: "Sequence[Step]", read: "Iterable[bytes]") -> bytes:
        """Put the content together: what is between the parts, and the parts as read."""
        source = iter(read)
        if len(steps) == 1 and not self.closing:
            # One part is not copied.
            return next(source)
        pieces = [step if isinstance(step, bytes) else next(source) for step in steps]
        return b"".join((*pieces, self.closing))

    # The file.

    def open(self) -> bool:
        """Open the file. Where it is another by now, answer anew, and return False."""
        try:
            self.fd = self.files.open(self.variant)
        except OSError as error:
            self.fail(error)
            return False
        if self.fd < 0:
            self.start_anew()
            return False
        return True

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def start_anew(self) -> None:
        """The file has changed before anything was sent: answer with what is there now."""
        self.close()
        self.closing = b""
        self.tries += 1
        try:
            found = self.files.find(self.file.plain.path)
        except OSError as error:
            self.fail(error)
            return
        if not isinstance(found, File):
            self.carrier.respond(404, PLAIN_TEXT, NO_FILE, True)
        elif self.tries > TRIES:
            self.carrier.respond(503, TRY_AGAIN, CHANGING, True)
        else:
            self.file = found
            self.start()

    def fail(self, error: OSError) -> None:
        """The file cannot be read: say so, or cut the response short where it has begun."""
        self.close()
        logger.error("%s cannot be read: %s", printable(self.request), error)
        if self.begun:
            self.carrier.abort()
        else:
            self.carrier.respond(503, TRY_AGAIN, BUSY, True)

    def has_changed(self) -> bool:
        return identity_of(os.fstat(self.fd)) != self.variant.identity

    def read(self, status: int, head: Fields, steps: "Sequence[Step]") -> None:
        """Read a small content whole: on the loop if it is in the page cache, else in a thread."""
        parts = [step for step in steps if isinstance(step, Part)]
        whole = len(parts) == 1 and parts[0].size == self.variant.size

        def answer(data: "list[bytes]") -> None:
            if self.has_changed() or any(map(is_short, data, parts)):
                self.start_anew()
                return
            if whole:
                self.files.keep(self.variant, data[0])
            self.close()
            self.carrier.respond(status, head, self.assemble(steps, data), True)

        fd = self.fd
        read = [page_cache.read_cached(fd, part.size, part.start) for part in parts]
        cached = [data for data in read if data is not None]
        if len(cached) == len(parts) and not any(map(is_short, cached, parts)):
            answer(cached)
        else:
            self.read_later(parts, answer)

    def read_later(self, parts: list[Part], then: "Callable[[list[bytes]], None]") -> None:
        """Have a thread read parts of the file, and pass them on, if the client is still
        there."""

        def proceed(future: "asyncio.Future[list[bytes]]") -> None:
            self.reading = False
            if self.disconnected or future.cancelled():
                self.close()
                return
            error = future.exception()
            if isinstance(error, OSError):
                self.fail(error)
            else:
                then(future.result())

        self.reading = True
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, read_parts, self.fd, parts).add_done_callback(proceed)

    def begin(self, steps: "Sequence[Step]") -> None:
        """Send a large content: everything but its last bytes, then these."""
        *before, last = steps
        assert isinstance(last, Part)
        size = min(HELD_BACK, last.size)
        self.held_back = Part(last.end - size, size)
        if last.size > size:
            before.append(Part(last.start, last.size - size))
        self.steps = before[::-1]
        self.pump()

    def pump(self) -> None:
        """Send on while the client keeps up; then check the file and send the last bytes."""
        carrier = self.carrier
        while self.steps and not carrier.congested:
            step = self.steps.pop()
            if isinstance(step, bytes):
                carrier.send(step, False)
            else:
                # The carrier closes it.
                file = os.fdopen(os.dup(self.fd), "rb", buffering=0)
                carrier.send_file(file, step.start, step.size, False)
        if self.steps or carrier.congested or self.fd < 0:
            return
        part = self.held_back
        data = page_cache.read_cached(self.fd, part.size, part.start)
        if data is None:
            self.read_later([part], self.finish)
        else:
            self.finish([data])

    def finish(self, read: "list[bytes]") -> None:
        """Send the last bytes, if the file has not changed."""
        carrier = self.carrier
        data = read[0]
        changed = self.has_changed() or is_short(data, self.held_back)
        self.close()
        if changed:
            logger.warning(
                "%s changed while it was sent: the response is cut short, so that the client "
                "does not take it for complete",
                printable(self.request),
            )
            carrier.abort()
        else:
            carrier.send(data + self.closing, True)


def cut(body: bytes, steps: "Sequence[Step]") -> "Iterator[bytes]":
    """The parts of a file that is in memory."""
    return (body[step.start : step.end] for step in steps if isinstance(step, Part))


def is_short(data: bytes, part: Part) -> bool:
    return len(data) != part.size


def read_parts(fd: int, parts: "Sequence[Part]") -> list[bytes]:
    """Read parts of a file, for as long as it takes."""
    return [os.pread(fd, part.size, part.start) for part in parts]
