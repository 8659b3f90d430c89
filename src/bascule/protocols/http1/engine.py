"""The HTTP/1.1 engine: bytes in, events out; responses in, bytes out. It never raises on what a
peer sends.

    receive_data(data), receive_eof()     only buffer
    next_event()                          one event, or None: bytes are missing, or it is the
                                          application's turn
    send_head, send_data, send_trailers   return what to write; raise ResponseError for the
                                          application's mistakes

One request at a time: the next pipelined request is not read before the response of this one is
complete and its body has been read. That alone keeps responses in order (RFC 9112 section
9.3.2) and bounds the read-ahead to the bytes that the connection lets in, which it can ask for
with `buffered`.

    state       next_event() does                   goes to
    HEAD        looks for a complete head           FIXED, CHUNKS, or without a body ENDED
    FIXED       hands out what is there             ENDED
    CHUNKS      hands out what decodes              ENDED
    ENDED       waits for the response              HEAD, or OVER if the connection will not stay
    OVER        nothing, ever
"""

from bascule.errors import RequestRefused
from bascule.protocols import scanning
from bascule.protocols.events import BodyData, BodyEnd, Closed, Refused, Request
from bascule.protocols.headers import TOKEN
from bascule.protocols.http1.chunked import ChunkedDecoder
from bascule.protocols.http1.head import HTTP_VERSION, HeadReader
from bascule.protocols.http1.response import CONTINUE, ResponseWriter
from bascule.protocols.limits import RequestLimits
from bascule.protocols.response_fields import ResponseDefaults

Http1Event = Request | BodyData | BodyEnd | Refused | Closed

HEAD = 0
FIXED = 1
CHUNKS = 2
ENDED = 3
OVER = 4

# RFC 9112 section 2.2 asks to ignore one empty line before a request; two cover a client that sent
# CRLF twice.
BLANK_LINES = 2
# A head ends with that of its last line, and a line with nothing on it.
EMPTY_LINE = b"\r\n\r\n"
EMPTY_LINE_SIZE = len(EMPTY_LINE)
# CR, LF, and the first byte of a TLS handshake are not above it.
LAST_CONTROL = 0x16
TLS_HANDSHAKE = b"\x16\x03"
# Bytes that a line has at least, with its CRLF: an empty one would end the head.
SHORTEST_LINE = 3


class Http1Engine:
    """One connection's worth of HTTP/1.1, server side.

    cut_short: the last call of `next_event` has read as many chunks as it may at once, and there
        are more. The caller decides when to continue.
    """

    __slots__ = (
        "blank_lines",
        "buffer",
        "cut_short",
        "decoder",
        "discarded",
        "eof",
        "header_map",
        "limits",
        "longest_head",
        "position",
        "reader",
        "remaining",
        "request",
        "scanned",
        "state",
        "waits_for_continue",
        "writer",
    )

    def __init__(
        self,
        limits: RequestLimits,
        header_map: str = "drop",
        defaults: ResponseDefaults | None = None,
        websockets: bool = True,
    ) -> None:
        """websockets: whether a WebSocket handshake is one, or just the plain request."""
        self.limits = limits
        self.longest_head = limits.head
        self.header_map = header_map
        self.reader = HeadReader(limits, header_map, websockets)
        self.writer = ResponseWriter(defaults if defaults is not None else ResponseDefaults())
        self.decoder: ChunkedDecoder | None = None
        self.request: Request | None = None
        self.buffer = b""
        self.position = 0
        self.scanned = 0
        self.blank_lines = 0
        self.remaining = 0
        self.discarded = 0
        self.eof = False
        self.waits_for_continue = False
        self.cut_short = False
        self.state = HEAD

    # Input.

    def receive_data(self, data: bytes) -> None:
        """Keep bytes until `next_event` is called; none behind the end."""
        if self.state == OVER:
            return
        if self.position >= len(self.buffer):
            self.buffer = data
            self.scanned = 0
        else:
            self.scanned -= self.position
            self.buffer = self.buffer[self.position :] + data
        self.position = 0

    def receive_eof(self) -> None:
        """The peer will send no more; it may still read (half-close)."""
        self.eof = True

    def buffered(self) -> int:
        """The number of bytes that were received and not taken yet."""
        return len(self.buffer) - self.position

    def in_head(self) -> bool:
        """Part of a head has been received, but not all of it."""
        return self.state == HEAD and self.position < len(self.buffer)

    def body_ended(self) -> bool:
        """The body of the current request has been received to its end."""
        return self.state >= ENDED

    def next_event(self) -> Http1Event | None:
        """The next event, or None when there is none yet."""
        self.cut_short = False
        try:
            while True:
                state = self.state
                if state == ENDED:
                    if not self.writer.complete:
                        return None
                    self.state = HEAD if self.writer.keep_alive else OVER
                    self.request = None
                    continue
                if state == HEAD:
                    return self.next_head()
                if state == OVER:
                    return None
                event = self.next_body()
                if event is not None or self.state != ENDED:
                    return event
        except RequestRefused as refused:
            self.state = OVER
            return Refused(refused.status, refused.reason, refused.fields)

    def next_head(self) -> Http1Event | None:
        buffer = self.buffer
        size = len(buffer)
        if self.position >= size:
            return self.closed(True)
        if buffer[self.position] <= LAST_CONTROL:
            self.skip_blank_lines()
        there = size - self.position
        # Mostly the head is all there is; then its end need not be looked for. The reader stops at
        # the first empty line.
        if (
            there < EMPTY_LINE_SIZE
            or there > self.longest_head
            or not scanning.same(buffer, size - EMPTY_LINE_SIZE, EMPTY_LINE, EMPTY_LINE_SIZE)
        ):
            end = buffer.find(EMPTY_LINE, max(self.position, self.scanned))
            if end < 0:
                self.check_partial_head()
                return self.closed(True)
            if end + EMPTY_LINE_SIZE - self.position > self.longest_head:
                raise self.head_too_long()
        request = self.reader.read(buffer, self.position)
        end = self.reader.end
        if end == size:
            # An idle connection keeps nothing of its last head.
            self.buffer = b""
            end = 0
        self.position = self.scanned = end
        self.blank_lines = 0
        self.begin_request(request)
        return request

    def begin_request(self, request: Request) -> None:
        reader = self.reader
        self.request = request
        self.discarded = 0
        self.waits_for_continue = request.expects_continue
        self.writer.begin(request.method == "HEAD", not reader.version_1_1, reader.keep_alive)
        if request.ended:
            self.state = ENDED
        elif reader.chunked:
            self.state = CHUNKS
            self.decoder = ChunkedDecoder(self.limits, self.header_map)
        else:
            self.state = FIXED
            self.remaining = request.content_length

    def skip_blank_lines(self) -> None:
        """Empty lines before a request line, and the one other thing that begins below a space:
        TLS."""
        while self.buffer.startswith(b"\r\n", self.position):
            self.blank_lines += 1
            if self.blank_lines > BLANK_LINES:
                raise RequestRefused(400, "empty lines where a request should begin")
            self.position += 2
        if self.buffer.startswith(TLS_HANDSHAKE, self.position):
            raise RequestRefused(400, "a TLS handshake on a port that speaks plain HTTP")

    def check_partial_head(self) -> None:
        """Refuse as much as possible before the head is complete, so that no client waits for a
        deadline."""
        buffer = self.buffer
        size = len(buffer) - self.position
        if size > self.longest_head:
            raise self.head_too_long()
        line_end = buffer.find(b"\r\n", self.position)
        # The CR of the line end may be here already.
        line = size - buffer.endswith(b"\r") if line_end < 0 else line_end - self.position
        if line > self.limits.request_line:
            raise self.line_too_long()
        most = self.limits.fields
        if size > SHORTEST_LINE * most and buffer.count(b"\r\n", self.position) > most + 1:
            raise RequestRefused(431, f"more than {most} field lines")
        start = max(self.position, self.scanned)
        line_feed = buffer.find(b"\n", start)
        while line_feed >= 0:
            if line_feed == self.position or buffer[line_feed - 1] != 0x0D:
                raise RequestRefused(400, "bare LF in a request head")
            line_feed = buffer.find(b"\n", line_feed + 1)
        # Three bytes of the final CRLFCRLF may be here already.
        self.scanned = max(self.position, len(buffer) - 3)

    def head_too_long(self) -> RequestRefused:
        line_end = self.buffer.find(b"\r\n", self.position)
        if line_end < 0 or line_end - self.position > self.limits.request_line:
            return self.line_too_long()
        return RequestRefused(431, f"request head longer than {self.limits.head} bytes")

    def line_too_long(self) -> RequestRefused:
        return RequestRefused(414, f"request line longer than {self.limits.request_line} bytes")

    def request_line(self) -> tuple[str, bytes, str]:
        """(method, target, version) of the request whose head is being received or was refused,
        for the log: "-" for a part that is not known."""
        longest = self.limits.request_line
        start = self.buffer[self.position : self.position + longest + 2]
        line, ended, _ = start.partition(b"\r\n")
        words = line.split(b" ")
        if not ended or len(words) != 3:
            return "-", b"-", "-"
        method, target, version = words
        return (
            method.decode("ascii") if TOKEN.fullmatch(method) else "-",
            target or b"-",
            version[5:].decode("ascii") if HTTP_VERSION.fullmatch(version) else "-",
        )

    def closed(self, clean: bool) -> Http1Event | None:
        if not self.eof:
            return None
        self.state = OVER
        return Closed(clean)

    def next_body(self) -> Http1Event | None:
        """The next piece of the current body. Thrown away when the response is complete
        already."""
        data = self.read_chunks() if self.state == CHUNKS else self.read_fixed()
        if data:
            self.waits_for_continue = False
            if not self.writer.complete:
                return BodyData(data)
            self.discarded += len(data)
            if self.discarded > self.limits.discard:
                self.state = OVER
                return Closed(False)
        if self.state == CHUNKS and self.decoder is not None and self.decoder.done:
            return self.end_body(self.decoder.trailers)
        if self.state == FIXED and self.remaining == 0:
            return self.end_body([])
        return self.closed(False)

    def end_body(self, trailers: list[tuple[bytes, bytes]]) -> Http1Event | None:
        self.state = ENDED
        self.decoder = None
        return None if self.writer.complete else BodyEnd(trailers)

    def read_fixed(self) -> bytes:
        start = self.position
        there = len(self.buffer) - start
        size = self.remaining if self.remaining < there else there
        if size <= 0:
            return b""
        self.remaining -= size
        self.position = start + size
        if start == 0 and size == len(self.buffer):
            return self.buffer
        return self.buffer[start : self.position]

    def read_chunks(self) -> bytes:
        decoder = self.decoder
        if decoder is None or decoder.done:
            return b""
        self.position = decoder.decode(self.buffer, self.position)
        self.cut_short = decoder.cut_short
        return decoder.take()

    # Output.

    def send_continue(self) -> bytes:
        """100 (Continue), when the client still waits for it (RFC 9110 section 10.1.1)."""
        if not self.waits_for_continue or self.writer.started:
            return b""
        self.waits_for_continue = False
        return CONTINUE

    def send_informational(self, status: int, fields: list[tuple[bytes, bytes]]) -> bytes:
        """An interim response. Raises ResponseError."""
        return self.writer.informational(status, fields)

    def send_head(
        self,
        status: int,
        fields: list[tuple[bytes, bytes]],
        body: bytes,
        end: bool,
        reason: bytes = b"",
    ) -> bytes:
        """The response head with the first piece of its body. Raises ResponseError."""
        if self.waits_for_continue:
            # The client may or may not send the body now, so the beginning of the next request
            # cannot be found.
            self.writer.keep_alive = False
        elif self.state < ENDED and self.may_leave_too_much():
            # The client learns it now (RFC 9112 section 9.6), and not from a connection that
            # closes under its next request.
            self.writer.keep_alive = False
        return self.writer.head(status, reason, fields, body, end)

    def may_leave_too_much(self) -> bool:
        """The rest of the body may be more than is thrown away if the application does not read
        it. How much is missing of a chunked body is not known."""
        return self.state == CHUNKS or self.remaining > self.limits.discard

    def send_data(self, data: bytes, end: bool) -> bytes:
        """A further piece of the body. Raises ResponseError."""
        return self.writer.data(data, end)

    def send_trailers(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """The end of the body with trailer fields, which only chunked bodies can carry, and which
        are sent only to clients that asked for them (RFC 9110 section 6.5.1). Raises
        ResponseError.
        """
        return self.writer.trailers(fields, self.wants_trailers())

    def wants_trailers(self) -> bool:
        """The TE field of the request has `trailers` (RFC 9110 section 10.1.4)."""
        request = self.request
        if request is None:
            return False
        lists = [value for name, value in request.fields if name == b"te"]
        return b"trailers" in [one.strip(b" \t").lower() for one in b",".join(lists).split(b",")]

    def send_file_prefix(self, size: int, end: bool) -> bytes | None:
        """The bytes to write before `size` bytes of a file, or None when none may be written.
        Raises ResponseError."""
        return self.writer.file_prefix(size, end)

    def send_file_suffix(self, size: int, end: bool) -> bytes:
        """The bytes to write behind them."""
        return self.writer.file_suffix(size, end)

    def send_switching(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """101 (RFC 9110 section 15.2.2), behind which this engine has no part in the connection.
        Raises ResponseError."""
        head = self.writer.switching(fields)
        self.state = OVER
        return head

    def take_rest(self) -> bytes:
        """The bytes received behind the head, for the protocol that was switched to."""
        rest = self.buffer[self.position :]
        self.buffer = b""
        self.position = self.scanned = 0
        return rest

    def begin_refusal(self) -> None:
        """The next response is a refusal, and the last on this connection."""
        self.state = OVER
        self.waits_for_continue = False
        self.writer.begin(False, False, False)

    def take_unsent(self) -> bytes | None:
        """A body that was too large to be copied behind its head: write it next."""
        unsent = self.writer.unsent
        self.writer.unsent = None
        return unsent

    def response_started(self) -> bool:
        return self.writer.started

    def response_complete(self) -> bool:
        return self.writer.complete

    def dropped_body(self) -> bool:
        """The application sent a body with a status that cannot have one."""
        return self.writer.dropped_body

    def has_body(self) -> bool:
        """The response has a body on the wire: not to HEAD, not 204 or 304."""
        return self.writer.has_body()

    def ends_with_connection(self) -> bool:
        """The end of the connection is the end of the response."""
        return self.writer.ends_with_connection()

    def keep_alive(self) -> bool:
        """The connection can carry another request after this response."""
        return self.writer.keep_alive

    def stop_keep_alive(self) -> None:
        """The current response is to be the last: it says `Connection: close` if its head is not
        out yet."""
        self.writer.keep_alive = False
