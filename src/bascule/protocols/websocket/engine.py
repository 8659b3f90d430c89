"""The WebSocket engine (RFC 6455), server side: bytes in, messages out; messages in, frames out.
It never raises on what a peer sends.

    receive_data(data), receive_eof()     only buffer
    next_event()                          one event, or None: bytes are missing, or `cut_short` is
                                          set
    send_text, send_binary, send_ping,    return what to write; raise ResponseError for the
    send_pong, send_close                 application's mistakes

It answers nothing by itself, neither Ping nor Close: where the answer goes among the messages of
the application is decided above.

    state     next_event() does                                  goes to
    HEADER    looks for a frame header; takes control frames     PAYLOAD, OVER
    PAYLOAD   takes what is there of a data frame                HEADER
    OVER      nothing, ever

Control frames wait in the buffer until they are whole; they are short. The payload of a data frame
does not wait: what has come of it is unmasked, inflated and, of a text, checked as UTF-8 at once.
So a bad byte is refused as soon as it is here (RFC 6455 section 8.1), and no byte is copied
again for each read that follows it. A message that comes in one frame and one read is not gathered
at all.
"""

from codecs import utf_8_decode

from bascule.errors import MessageRefused, ResponseError
from bascule.protocols.events import Failed, Lost, PeerClosed, Ping, Pong
from bascule.protocols.limits import UNLIMITED_TURN, WebSocketLimits
from bascule.protocols.websocket import masking
from bascule.protocols.websocket.deflate import Deflate
from bascule.protocols.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LONGEST_CONTROL,
    PING,
    PONG,
    RSV1,
    TEXT,
    FrameHeader,
    frame,
)

WebSocketEvent = str | bytes | Ping | Pong | PeerClosed | Failed | Lost

HEADER = 0
PAYLOAD = 1
OVER = 2


NO_CODE = 1005
# A Close frame is a code of two bytes and a reason.
LONGEST_REASON = LONGEST_CONTROL - 2

# Compressed payload is inflated this much at a time: zlib copies what it has not got to.
INFLATED_AT_ONCE = 65536
# A message below this is sent as it is. Compressing 100 bytes of JSON takes 4 microseconds, fifty
# times what its frame takes, to save fewer bytes than the packet has in its headers.
WORTH_COMPRESSING = 128

NOT_UTF_8 = "text is not UTF-8"
# U+D800 and what follows it up to U+DFFF begin with these bytes or greater second ones.
FIRST_SURROGATE = b"\xed\xa0"


def may_close_with(code: int) -> bool:
    """The codes that stand in a Close frame (RFC 6455 section 7.4 and the IANA registry): 1004 is
    reserved; 1005, 1006 and 1015 are for what was never sent; 3000 to 4999 are for libraries and
    applications."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


class WebSocketEngine:
    """One WebSocket after its handshake.

    turn: how many more frames, or pieces of their payloads, are taken in this turn of the loop.
    cut_short: `next_event` has stopped because there were none left.
    """

    __slots__ = (
        "buffer",
        "close_received",
        "close_sent",
        "cut_short",
        "deflate",
        "eof",
        "final",
        "fragments",
        "header",
        "inflater",
        "key",
        "left",
        "limits",
        "longest_frame",
        "longest_message",
        "message",
        "opcode",
        "pending",
        "position",
        "size",
        "state",
        "turn",
        "unfinished",
    )

    def __init__(self, limits: WebSocketLimits, deflate: Deflate | None = None) -> None:
        self.limits = limits
        self.longest_frame = limits.frame
        self.longest_message = limits.message
        self.deflate = deflate
        self.header = FrameHeader()
        self.buffer = b""
        self.position = 0
        # Bytes that came while `buffer` was not used up.
        self.pending: bytearray | None = None
        self.eof = False
        self.turn = UNLIMITED_TURN
        self.cut_short = False
        self.state = HEADER
        self.close_sent = False
        self.close_received = False
        # The frame whose payload is coming.
        self.left = 0
        self.key = 0
        self.final = False
        # The message that it belongs to; CONTINUATION while there is none.
        self.opcode = CONTINUATION
        self.inflater: Deflate | None = None
        self.fragments = 0
        self.size = 0
        self.message: bytearray | None = None
        self.unfinished = b""

    # Input.

    def receive_data(self, data: bytes) -> None:
        """Keep bytes until `next_event` is called; none behind the end."""
        if self.state == OVER:
            return
        if self.pending is not None:
            self.pending += data
        elif self.position >= len(self.buffer):
            self.buffer = data
            self.position = 0
        else:
            self.pending = bytearray(data)

    def receive_eof(self) -> None:
        """The peer will send no more."""
        self.eof = True

    @property
    def buffered(self) -> int:
        """The number of bytes that were received and not taken yet."""
        pending = 0 if self.pending is None else len(self.pending)
        return len(self.buffer) - self.position + pending

    def next_event(self) -> WebSocketEvent | None:
        """The next event, or None when there is none yet, or none will ever come."""
        try:
            while self.state != OVER:
                if self.turn <= 0:
                    self.cut_short = True
                    return None
                self.turn -= 1
                before = self.position
                event = self.next_frame() if self.state == HEADER else self.take_payload()
                if event is not None:
                    return event
                if self.position == before and not self.refill():
                    return self.lost()
        except MessageRefused as refused:
            return self.fail(refused.code, refused.reason)
        except UnicodeDecodeError:
            return self.fail(1007, NOT_UTF_8)
        return None

    def refill(self) -> bool:
        """Put the bytes that came later behind those in the buffer, which are no frame yet. False
        when none came."""
        pending = self.pending
        if pending is not None:
            # The rest is less than a header or a control frame.
            self.buffer = self.buffer[self.position :] + pending
            self.position = 0
            self.pending = None
            return True
        if self.position >= len(self.buffer):
            # An idle connection does not keep its last read.
            self.buffer = b""
            self.position = 0
        return False

    def lost(self) -> WebSocketEvent | None:
        if not self.eof:
            return None
        self.end()
        return Lost()

    def fail(self, code: int, reason: str) -> WebSocketEvent:
        self.end()
        return Failed(code, reason)

    def end(self) -> None:
        """Take nothing any more, and release what is kept."""
        self.state = OVER
        self.buffer = self.unfinished = b""
        self.position = 0
        self.pending = self.message = None

    def next_frame(self) -> WebSocketEvent | None:
        """A control frame, or the beginning of a data frame with what is there of it."""
        header = self.header
        if not header.read(self.buffer, self.position):
            return None
        if not header.masked:
            # RFC 6455 section 5.1.
            raise MessageRefused(1002, "frame without a mask")
        if not header.minimal or header.length > 2**63 - 1:
            # RFC 6455 section 5.2.
            raise MessageRefused(1002, "length of a frame in a form that is not the shortest")
        if header.opcode >= CLOSE:
            return self.next_control(header)
        self.begin_frame(header)
        self.position += header.size
        self.state = PAYLOAD
        return self.take_payload()

    # Control frames (RFC 6455 section 5.5).

    def next_control(self, header: FrameHeader) -> WebSocketEvent | None:
        opcode = header.opcode
        if opcode > PONG:
            raise MessageRefused(1002, f"frame with the unknown opcode {opcode}")
        if header.rsv:
            # RFC 7692 section 6.1: control frames are not compressed either.
            raise MessageRefused(1002, "control frame with a reserved bit")
        if not header.fin:
            raise MessageRefused(1002, "fragmented control frame")
        if header.length > LONGEST_CONTROL:
            raise MessageRefused(1002, f"control frame longer than {LONGEST_CONTROL} bytes")
        start = self.position + header.size
        size = header.length
        if len(self.buffer) - start < size:
            return None
        payload = masking.unmask(self.buffer, start, size, header.key)
        self.position = start + size
        if opcode == PING:
            return Ping(payload)
        if opcode == PONG:
            return Pong(payload)
        return self.read_close(payload)

    def read_close(self, payload: bytes) -> WebSocketEvent:
        """RFC 6455 section 5.5.1: nothing, or a code with a reason in UTF-8."""
        code = NO_CODE
        reason = ""
        if payload:
            if len(payload) == 1:
                raise MessageRefused(1002, "Close frame of one byte")
            code = payload[0] << 8 | payload[1]
            if not may_close_with(code):
                raise MessageRefused(1002, f"Close frame with the code {code}")
            try:
                reason = payload[2:].decode()
            except UnicodeDecodeError:
                raise MessageRefused(1007, "reason in a Close frame is not UTF-8") from None
        self.end()
        self.close_received = True
        return PeerClosed(code, reason)

    # Data frames (RFC 6455 sections 5.4 and 5.6).

    def begin_frame(self, header: FrameHeader) -> None:
        """Begin a data frame, which must fit the frames before it, and the limits."""
        if header.opcode == CONTINUATION:
            self.continue_message(header)
        else:
            self.begin_message(header)
        length = header.length
        if length > self.longest_frame:
            raise MessageRefused(1009, f"frame longer than {self.limits.frame} bytes")
        if self.inflater is None:
            self.size += length
            if self.size > self.longest_message:
                raise self.too_long()
        self.left = length
        self.key = header.key
        self.final = header.fin

    def begin_message(self, header: FrameHeader) -> None:
        if header.opcode > BINARY:
            raise MessageRefused(1002, f"frame with the unknown opcode {header.opcode}")
        if self.opcode != CONTINUATION:
            raise MessageRefused(1002, "new message before the end of a fragmented one")
        if header.rsv and (header.rsv != RSV1 or self.deflate is None):
            raise MessageRefused(1002, "frame with a reserved bit that was not negotiated")
        self.opcode = header.opcode
        self.inflater = self.deflate if header.rsv else None
        self.fragments = 1
        self.size = 0

    def continue_message(self, header: FrameHeader) -> None:
        if self.opcode == CONTINUATION:
            raise MessageRefused(1002, "continuation of no message")
        if header.rsv:
            # RFC 7692 section 6.1: only the first frame says that a message is compressed.
            raise MessageRefused(1002, "continuation with a reserved bit")
        self.fragments += 1
        if self.fragments > self.limits.fragments:
            raise MessageRefused(1009, f"message in more than {self.limits.fragments} frames")

    def too_long(self) -> MessageRefused:
        return MessageRefused(1009, f"message longer than {self.limits.message} bytes")

    def take_payload(self) -> WebSocketEvent | None:
        """Take the bytes of the payload that have come; the message, when they complete it."""
        start = self.position
        size = len(self.buffer) - start
        inflater = self.inflater
        if inflater is not None and size > INFLATED_AT_ONCE:
            size = INFLATED_AT_ONCE
        if size >= self.left:
            size = self.left
            self.state = HEADER
        elif size == 0:
            return None
        data = masking.unmask(self.buffer, start, size, self.key)
        self.position = start + size
        self.left -= size
        self.key = masking.turn(self.key, size)
        ends = self.final and self.state == HEADER
        if inflater is not None:
            gathered = self.inflate(inflater, data, ends)
        elif ends and self.message is None:
            return self.end_message(data)
        else:
            gathered = self.keep(data)
        return self.end_message(gathered) if ends else None

    def inflate(self, inflater: Deflate, data: bytes, ends: bool) -> bytearray:
        """Gather the data of a piece of a compressed message, at most one byte past the
        limit."""
        inflater.feed(data, ends)
        while True:
            piece = inflater.inflate(self.longest_message - self.size + 1)
            gathered = self.keep(piece)
            if not piece:
                return gathered
            self.size += len(piece)
            if self.size > self.longest_message:
                raise self.too_long()

    def keep(self, data: bytes) -> bytearray:
        """Gather a piece of a message. Text is checked here, and only at its end decoded for good:
        a list of small strings would take many times the bytes that they came from."""
        if self.opcode == TEXT:
            data_and_before = self.unfinished + data
            decoded = utf_8_decode(data_and_before, "strict", False)
            self.unfinished = data_and_before[decoded[1] :]
            # Of a surrogate Python wants to see the third byte, though the second gives it away.
            if self.unfinished >= FIRST_SURROGATE and self.unfinished[0] == FIRST_SURROGATE[0]:
                raise MessageRefused(1007, NOT_UTF_8)
        gathered = self.message
        if gathered is None:
            gathered = self.message = bytearray(data)
        else:
            gathered += data
        return gathered

    def end_message(self, data: bytes | bytearray) -> WebSocketEvent:
        is_text = self.opcode == TEXT
        self.opcode = CONTINUATION
        self.message = None
        self.inflater = None
        self.unfinished = b""
        return str(data, "utf-8") if is_text else bytes(data)

    # Output.

    def send_text(self, text: str) -> bytes:
        """A text message in one frame. Raises ResponseError."""
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise ResponseError(f"a WebSocket text is UTF-8, which cannot say {error}") from None
        return self.send_message(TEXT, data)

    def send_binary(self, data: bytes) -> bytes:
        """A binary message in one frame. Raises ResponseError."""
        return self.send_message(BINARY, data)

    def send_message(self, opcode: int, data: bytes) -> bytes:
        if self.close_sent:
            raise self.closed()
        if self.deflate is not None and len(data) >= WORTH_COMPRESSING:
            return frame(RSV1 | opcode, self.deflate.compress(data))
        return frame(opcode, data)

    def send_ping(self, payload: bytes = b"") -> bytes:
        """A Ping; the peer answers it with the same payload. Raises ResponseError."""
        return self.send_control(PING, payload)

    def send_pong(self, payload: bytes) -> bytes:
        """The answer to a Ping with this payload. Raises ResponseError."""
        return self.send_control(PONG, payload)

    def send_control(self, opcode: int, payload: bytes) -> bytes:
        if self.close_sent:
            raise self.closed()
        if len(payload) > LONGEST_CONTROL:
            raise ResponseError(
                f"a Ping or Pong carries at most {LONGEST_CONTROL} bytes, not {len(payload)}"
            )
        return frame(opcode, payload)

    def send_close(self, code: int, reason: str = "") -> bytes:
        """The Close frame; with the code 1005 an empty one. Nothing for a second one. Raises
        ResponseError."""
        if self.close_sent:
            return b""
        payload = close_payload(code, reason)
        self.close_sent = True
        return frame(CLOSE, payload)

    def closed(self) -> ResponseError:
        # RFC 6455 section 5.5.1.
        return ResponseError("nothing can be sent over a WebSocket after its Close frame")


def close_payload(code: int, reason: str) -> bytes:
    """RFC 6455 section 5.5.1. Raises ResponseError."""
    if code == NO_CODE:
        if reason:
            raise ResponseError("a WebSocket cannot be closed with a reason but without a code")
        return b""
    if not may_close_with(code):
        raise ResponseError(
            f"{code} is not a code to close a WebSocket with; "
            "these are 1000 to 1003, 1007 to 1014 and 3000 to 4999"
        )
    try:
        data = reason.encode()
    except UnicodeEncodeError as error:
        raise ResponseError(f"a close reason is UTF-8, which cannot say {error}") from None
    if len(data) > LONGEST_REASON:
        raise ResponseError(
            f"a close reason is at most {LONGEST_REASON} bytes of UTF-8, not {len(data)}"
        )
    return code.to_bytes(2, "big") + data
