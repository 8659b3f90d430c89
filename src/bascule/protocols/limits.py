"""The numbers an engine is given, each finite, each with its reason.

An engine knows no settings and no clock: it gets one of these and refuses what goes past it.
Deadlines are not here, because time is not an engine's business; see connections/.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Sizes in octets, counts in pieces.

    request_line: longest request line. RFC 9112 section 3 asks servers to take 8,000 octets and
    more; 8,190 is
        what Apache and nginx users are used to. Past it: 414.
    head: longest request head in all. Room for the largest cookies browsers send (about 4 KiB
    each) beside
        everything else. Past it: 431.
    fields: most field lines in a head. Apache's and Gunicorn's number; it also keeps joining
    duplicates cheap
        (CVE-2025-14550 was quadratic in this). Past it: 431.
    body: longest request body, or None for no limit, because only the application knows what it
    accepts.
        Past it: 413.
    chunk_line: longest chunk-size line with its extensions. Nobody uses extensions; endless ones
    are an attack.
        Past it: 400.
    trailer: longest trailer section. Trailers carry checksums and status, a few hundred octets.
    Past it: 431.
    discard: how much unread body is read and thrown away so that the connection can be used again;
    past it the
        connection is closed, which costs the client less than sending the rest.
    """

    request_line: int = 8190
    head: int = 65536
    fields: int = 100
    body: int | None = None
    chunk_line: int = 1024
    trailer: int = 8192
    discard: int = 262144


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """Sizes in octets, counts in pieces. All of them end in 1009, "too big to process" (RFC 6455
    section 7.4.1).

    message: longest message, after decompression. 16 MiB is what other servers take; a message is
    kept
        whole until it ends, so this is also what one connection can make the server keep.
    frame: longest payload of one frame on the wire, judged by its header, before any of it is
    here. The
        same number: what is not compressed cannot be longer, and what is compressed has no
        reason to be.
    fragments: most frames of one message. Empty ones cost a client six octets and never reach the
        other limits. 16 MiB in pieces of 16 KiB make 1,024. Past it also 1009 and not 1008: the
        message is too much to process, no policy is broken, and a client that is told so can send
        larger frames.
    """

    message: int = 16777216
    frame: int = 16777216
    fragments: int = 1024


@dataclass(frozen=True, slots=True)
class Http2Limits:
    """What one HTTP/2 connection may do, beside the RequestLimits of its requests. Sizes in
    octets, counts in pieces; what is past them is answered with an error of RFC 9113 section 7.

    streams: requests at once. RFC 9113 section 5.1.2 recommends 100 and more, so as not to make
    clients wait; 128 is what nginx users are used to. Past it: REFUSED_STREAM, which lets the
    client try again.
    block: longest compressed header block; twice the head it may decode to, so that a head a
    little too long gets its 431. Past it: ENHANCE_YOUR_CALM.
    continuations: most CONTINUATION frames of one block. The longest block needs eight of full
    length; endless ones are an attack (CVE-2024-27983 and others). Past it: ENHANCE_YOUR_CALM.
    resets, resets_rate: streams that end before their response, by the client's RST_STREAM
    (CVE-2023-44487) or because a frame of the client's made the server reset them
    (CVE-2025-8671): two times as many as may be open, since a browser that leaves a page resets
    all that it had asked for; each response that is delivered gives one back, and each second so
    many. A client may end a stream of more than a second, and one whose response is delivered, at
    no cost. Past it: ENHANCE_YOUR_CALM.
    frames, frames_rate: frames that carry nothing of a request: PING, SETTINGS (each parameter
    counts), PRIORITY, PRIORITY_UPDATE, empty DATA, empty parts of a header block, frames of
    unknown types, or for streams that have ended (CVE-2019-9511 to -9518). Each second gives back
    so many, each frame of a response two, each response eight: gRPC sends a ping for a frame that
    it reads, Chromium frames of unknown types and priorities with its requests. A WINDOW_UPDATE
    counts only where there are more of them than four for each frame of a response and one for
    each 512 bytes of it. Past it: ENHANCE_YOUR_CALM.
    unsent: answers that may wait because the client does not read. Past it nothing that it sends
    is looked at until it does.
    stream_window, widest_stream: how much of one request body may come before the application
    has read any, and to what that grows with its reading; at first as much as may wait for an
    application. At least 65,535, which a client may use that has not heard of this yet.
    connection_window, widest_connection: the same for all bodies of a connection together, which
    is what one client can make the server keep.
    """

    streams: int = 128
    block: int = 131072
    continuations: int = 16
    resets: int = 256
    resets_rate: float = 32.0
    frames: int = 1000
    frames_rate: float = 100.0
    unsent: int = 65536
    stream_window: int = 131072
    widest_stream: int = 1048576
    connection_window: int = 1048576
    widest_connection: int = 4194304
