"""The access log: one line for each request, cheap enough to leave on.

While a request is served its facts are only appended to a list. The lines are made and written in
batches, one piece of output for each, when the worker ticks, when a batch is full, and at the end;
so the time on a line is the second in which its batch was written. Lines go to standard output,
the server's own log goes to standard error: `bascule serve app >access.log` does what it looks
like.

A slow or missing reader (a full pipe, a closed one) costs lines, never requests: lines that cannot
be written are dropped and counted, with one warning when that begins and one line when it ends.

Data of clients must not reach the terminal of a reader unescaped (CVE-2020-7694): in the text
format everything but printable ASCII is escaped, and so are quotes and backslashes, so that
a line can be taken apart again. JSON has its own escapes.

Where logging is configured for a logger named `bascule.access`, each request becomes a logging
record there instead, with its facts as attributes of the record: client, method, target,
http_version, status, bytes, duration_ms, queue_ms.
"""

import logging
import re
import sys
import time
from collections.abc import Callable
from typing import TextIO

from bascule.observability.logs import access_logger
from bascule.observability.sink import Sink, open_sink
from bascule.observability.stamps import Stamp

logger = logging.getLogger("bascule")

# Lines in a batch at most. Such a batch is formatted in a quarter of a millisecond, which no
# request notices; larger ones would save next to nothing.
BATCH = 256

# client, method, target, http_version, status, bytes of the body, seconds, queued
Entry = tuple[str, str, bytes, str, int, int, float, float]

# Writes a batch; False when it had to be dropped.
Write = Callable[[list[Entry]], bool]

# Every byte that may need an escape: all but printable ASCII, the quote and the backslash.
SUSPECT = bytes({*range(33), *range(127, 256), *b'"\\'})
UNSAFE = re.compile(r"[^ !#-\[\]-~]")


class AccessLog:
    """Collects the facts of requests and writes them in batches. For the loop's thread."""

    __slots__ = ("_entries", "_sink", "_unreported", "_write")

    def __init__(
        self,
        format: str = "text",
        short: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the log; the application should be imported before, as it may configure logging.

        format: "text" or "json". short: text lines with the time of day only.
        stream: standard output by default. clock: seconds since the epoch.
        """
        self._entries: list[Entry] = []
        self._unreported = 0
        self._sink: Sink | None = None
        records = access_logger()
        if records is not None:
            self._write = write_records(records)
            return
        self._sink = open_sink(stream or sys.stdout)
        stamp = Stamp(short and format == "text")
        lines = json_lines if format == "json" else text_lines
        self._write = write_lines(self._sink, lambda: stamp(clock()), lines)

    def record(
        self,
        client: str,
        method: str,
        target: bytes,
        http_version: str,
        status: int,
        size: int,
        seconds: float,
        queued: float = 0.0,
    ) -> None:
        """Note a response that has been sent, or was given up.

        client: its address and port, "" where there is none (UNIX sockets).
        size: bytes of the response's body, as sent.
        seconds: from the head of the request to the last byte of the response.
        queued: of those, the seconds that a WSGI request waited for a thread.

        Eight parameters because a tuple made by the caller would say less, and an object costs
        more than all the rest.
        """
        entries = self._entries
        entries.append((client, method, target, http_version, status, size, seconds, queued))
        if len(entries) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected. Never raises, and never waits for the reader."""
        entries = self._entries
        if not entries:
            return
        self._entries = []
        try:
            reason = "" if self._write(entries) else "its reader is too slow"
        except OSError as exc:
            reason = exc.strerror or str(exc)
        except Exception as exc:
            # From a logging handler or a stream of the application; requests must continue.
            reason = repr(exc)
        if reason:
            self._drop(len(entries), reason)
        elif self._unreported:
            logger.warning("access log written again; %d lines were lost", self._unreported)
            self._unreported = 0

    def close(self) -> None:
        """Write what is left; here a slow reader is waited for, up to a second."""
        self.flush()
        if self._sink is not None:
            self._sink.close()

    def _drop(self, count: int, reason: str) -> None:
        if not self._unreported:
            logger.warning("access log cannot be written (%s): its lines are dropped", reason)
        self._unreported += count


def write_lines(
    sink: Sink, now: Callable[[], str], lines: Callable[[str, list[Entry]], list[str]]
) -> Write:
    """Write batches to a sink, each in one piece."""
    return lambda entries: sink.write("".join(lines(now(), entries)).encode())


def text_lines(now: str, entries: list[Entry]) -> list[str]:
    """Lines for people, close to what NCSA's and Uvicorn's logs look like.

    2026-08-01T12:30:00+02:00 127.0.0.1:54321 - "GET /path?x HTTP/1.1" 200 1234 0.8ms
    """
    lines = []
    for client, method, target, version, status, size, seconds, _ in entries:
        path = target.decode("latin-1")
        # The usual request is recognised as harmless without the regular expression.
        if len(target.translate(None, SUSPECT)) != len(target):
            path = _safe(path)
        if not (method.isalpha() and method.isascii()):
            method = _safe(method)
        if version not in ("1.1", "1.0"):
            version = _safe(version)
        tenths = int(seconds * 10000 + 0.5)
        lines.append(
            f'{now} {_safe(client) or "-"} - "{method} {path} HTTP/{version}" '
            f"{status} {size} {tenths // 10}.{tenths % 10}ms\n"
        )
    return lines


def _safe(text: str) -> str:
    return text if UNSAFE.search(text) is None else UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in '"\\':
        return "\\" + character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def json_lines(now: str, entries: list[Entry]) -> list[str]:
    """One object a line; bytes of the target that are not ASCII appear as U+0080 to U+00FF.

    {"time": ..., "client": ..., "method": ..., "target": ..., "http_version": ..., "status": ...,
    "bytes": ..., "duration_ms": ..., "queue_ms": ...}, the client null where there is none.
    """
    # The encoder of the json module itself, without its machinery for nested values.
    from json.encoder import encode_basestring_ascii as quote

    return [
        f'{{"time":"{now}","client":{quote(client) if client else "null"},'
        f'"method":{quote(method)},"target":{quote(target.decode("latin-1"))},'
        f'"http_version":{quote(version)},"status":{status},"bytes":{size},'
        f'"duration_ms":{seconds * 1000:.3f},"queue_ms":{queued * 1000:.3f}}}\n'
        for client, method, target, version, status, size, seconds, queued in entries
    ]


def write_records(target_logger: logging.Logger) -> Write:
    """One logging record for each request, for an application that configured `bascule.access`.

    The message is the text line without its time; the facts are attributes of the record.
    """

    def write(entries: list[Entry]) -> bool:
        if target_logger.isEnabledFor(logging.INFO):
            for entry in entries:
                _log_entry(target_logger, entry)
        return True

    return write


def _log_entry(target_logger: logging.Logger, entry: Entry) -> None:
    client, method, target, version, status, size, seconds, queued = entry
    path = _safe(target.decode("latin-1"))
    milliseconds = round(seconds * 1000, 3)
    target_logger.info(
        '%s - "%s %s HTTP/%s" %d %d %.1fms',
        _safe(client) or "-",
        _safe(method),
        path,
        _safe(version),
        status,
        size,
        milliseconds,
        extra={
            "client": client,
            "method": method,
            "target": path,
            "http_version": version,
            "status": status,
            "bytes": size,
            "duration_ms": milliseconds,
            "queue_ms": round(queued * 1000, 3),
        },
    )
