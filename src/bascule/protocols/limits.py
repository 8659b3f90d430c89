"""The numbers an engine is given, each finite, each with its reason.

An engine knows no settings and no clock: it gets one of these and refuses what exceeds it.
Deadlines are not here, because time is not an engine's business; see connections/plan.py.

Each number is declared here and nowhere else: the table of settings takes its defaults and reasons
from here, and so does docs/limits.md.
"""

from dataclasses import dataclass, field, fields
from typing import Any

# The frames that an engine takes in one turn of the loop, until its connection sets a number.
UNLIMITED_TURN = 2**62


def limit(default: Any, why: str = "") -> Any:
    """Return a field of a dataclass of limits, with the reason for its default."""
    return field(default=default, metadata={"why": why})


def default_of(limits: Any, name: str) -> Any:
    """Return the default of a limit."""
    return next(one.default for one in fields(limits) if one.name == name)


def why(limits: Any, name: str) -> str:
    """Return the reason for the default of a limit."""
    return str(next(one.metadata["why"] for one in fields(limits) if one.name == name))


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Sizes in bytes, counts in pieces.

    request_line: longest request line. Past it: 414.
    head: longest request line and fields together. Past it: 431.
    fields: most field lines in a head. Past it: 431.
    body: longest request body, None for no limit. Past it: 413.
    chunk_line: longest chunk-size line with its extensions. Past it: 400.
    trailer: longest trailer section. Past it: 431.
    discard: how much of an unread body is read and dropped, so that the connection can be used
        again. Past it the connection is closed.
    """

    request_line: int = limit(
        8190,
        "RFC 9112 section 3 asks for 8,000 and more; 8,190 is what users of Apache and Gunicorn "
        "know.",
    )
    head: int = limit(65536, "Room for the largest cookies of browsers beside everything else.")
    fields: int = limit(
        100,
        "Apache's and Gunicorn's number; work that grows with its square stays small "
        "(CVE-2025-14550).",
    )
    body: int | None = limit(None, "Only the application knows what it accepts.")
    chunk_line: int = limit(1024, "No client uses extensions; endless ones are an attack.")
    trailer: int = limit(8192, "Trailers carry checksums and status, a few hundred bytes.")
    discard: int = limit(
        262144, "Reading further would cost the client more than a new connection."
    )


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """Sizes in bytes, counts in pieces. Past each of them: close code 1009, "too big to process"
    (RFC 6455 section 7.4.1), and not 1008: no policy is broken.

    message: longest message, after decompression. A message is kept whole until it ends, so this
        is also how much memory one connection can take.
    frame: longest payload of one frame on the wire, judged by its header.
    fragments: most frames of one message.
    """

    message: int = limit(
        16 * 1024 * 1024, "Uvicorn's and Hypercorn's number; it counts decompressed bytes."
    )
    frame: int = limit(
        16 * 1024 * 1024, "No frame needs to be longer than the message that it is part of."
    )
    fragments: int = limit(
        1024,
        "Each frame costs time however short it is; browsers send a message in one. 16 MiB in "
        "pieces of 16 KiB make as many.",
    )


@dataclass(frozen=True, slots=True)
class Http2Limits:
    """Limits of one HTTP/2 connection, beside the RequestLimits of its requests. Sizes in bytes,
    counts in pieces. The server answers a violation with an error of RFC 9113 section 7.

    streams: requests at once. Past it: REFUSED_STREAM, which lets the client try again.
    block: longest compressed header block. Past it: ENHANCE_YOUR_CALM.
    continuations: most CONTINUATION frames of one block. Past it: ENHANCE_YOUR_CALM.
    resets: streams that end before their response, by the client's RST_STREAM (CVE-2023-44487) or
        because a frame of the client's made the server reset them (CVE-2025-8671). Each response
        that is delivered gives one back. A client may end a stream of more than a second, and one
        whose response is delivered, at no cost. Past it: ENHANCE_YOUR_CALM.
    resets_rate: how many of them each second gives back.
    frames: frames that carry nothing of a request: PING, SETTINGS (each parameter counts),
        PRIORITY, PRIORITY_UPDATE, empty DATA, empty parts of a header block, frames of unknown
        types, or for streams that have ended (CVE-2019-9511 to -9518). Each frame of a response
        gives two back, each response eight: gRPC sends a ping for a frame that it reads, Chromium
        frames of unknown types and priorities with its requests. A WINDOW_UPDATE counts only where
        there are more of them than four for each frame of a response and one for each 512 bytes
        of it. Past it: ENHANCE_YOUR_CALM.
    frames_rate: how many of them each second gives back.
    unsent: bytes of answers that may wait because the client does not read. Past it the server
        processes nothing more of the client until it reads.
    stream_window: how much of one request body may come before the application has read any. At
        least 65,535, which a client may use that has not heard of this yet.
    widest_stream: to what that grows as the application reads.
    connection_window: the same for all bodies of a connection together, which is how much memory
        one client can take.
    widest_connection: to what that grows.
    """

    streams: int = limit(
        128,
        "RFC 9113 section 5.1.2 recommends 100 and more, so as not to make clients wait; "
        "nginx's number.",
    )
    block: int = limit(
        131072, "Twice the head it may decode to, so that a head a little too long gets its 431."
    )
    continuations: int = limit(
        16,
        "The longest block needs eight frames of full length; endless ones are an attack "
        "(CVE-2024-27983).",
    )
    resets: int = limit(
        256,
        "A browser that leaves a page resets all the requests it made, which may be as many as "
        "are open; twice that. Rapid reset (CVE-2023-44487), and its reverse (CVE-2025-8671).",
    )
    resets_rate: float = limit(32.0)
    frames: int = limit(
        1000, "Floods of pings, settings, priorities, empty frames (CVE-2019-9511 to -9518)."
    )
    frames_rate: float = limit(100.0)
    unsent: int = limit(65536, "Memory for each connection stays bounded.")
    stream_window: int = limit(131072, "As much as may wait for an application.")
    widest_stream: int = limit(1048576, "A connection over a long distance needs as much.")
    connection_window: int = limit(1048576, "Several uploads at once.")
    widest_connection: int = limit(4194304, "Several uploads at once, over a long distance.")
