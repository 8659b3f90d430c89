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
