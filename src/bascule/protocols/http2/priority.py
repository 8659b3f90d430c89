"""Extensible priorities (RFC 9218): how they are written, and which stream is served next.

The priorities of RFC 7540 are not used: every connection begins with
SETTINGS_NO_RFC7540_PRIORITIES, and PRIORITY frames are only checked for their form.

Order among the streams that could send (RFC 9218 section 10): the lower urgency first. Within one
urgency, a stream that is not incremental is served to its end, in the order in which streams had
something to send; those that are incremental take turns, a frame each.
"""

import re
from collections import deque

from bascule.protocols.http2.stream import Stream

# RFC 9218 section 4.1.
URGENCIES = 8
DEFAULT_URGENCY = 3

# The members of a dictionary (RFC 8941 section 3.2) as far as they are used here: a key, and a
# value that is an integer or a boolean. Others are passed over, with their values.
MEMBER = re.compile(rb"[ \t]*([a-z*][a-z0-9_\-.*]*)(?:=([^,;]*))?((?:;[^,]*)?)[ \t]*")
URGENCY = re.compile(rb"[0-7]")


def parse_priority(value: bytes) -> tuple[int, bool]:
    """(urgency, incremental) of a Priority field or frame. A member that cannot be read has its
    default, as if it were not there (RFC 9218 section 4)."""
    urgency, incremental = DEFAULT_URGENCY, False
    for member in value.split(b","):
        match = MEMBER.fullmatch(member)
        if match is None:
            # RFC 8941 section 4.2: one malformed member, and there is no dictionary.
            return DEFAULT_URGENCY, False
        key, said = match[1], match[2]
        if key == b"u":
            well = said is not None and URGENCY.fullmatch(said.strip(b" \t")) is not None
            urgency = int(said) if well else DEFAULT_URGENCY
        elif key == b"i":
            incremental = said is None or said.strip(b" \t") == b"?1"
    return urgency, incremental


class Scheduler:
    """The streams that have something to send and a window to send it.

    ready: the number of them.
    """

    __slots__ = ("levels", "ready")

    def __init__(self) -> None:
        self.levels: list[deque[Stream]] = [deque() for _ in range(URGENCIES)]
        self.ready = 0

    def add(self, stream: Stream) -> None:
        """A stream can send."""
        if not stream.scheduled:
            stream.scheduled = True
            self.ready += 1
            self.levels[stream.urgency].append(stream)

    def remove(self, stream: Stream) -> None:
        """A stream cannot send any more, or not at its present urgency."""
        if stream.scheduled:
            stream.scheduled = False
            self.ready -= 1
            self.levels[stream.urgency].remove(stream)

    def first(self) -> Stream | None:
        """The stream whose turn it is."""
        for level in self.levels:
            if level:
                return level[0]
        return None

    def served(self, stream: Stream) -> None:
        """The first stream has sent a frame, and could send another."""
        if stream.incremental:
            self.levels[stream.urgency].rotate(-1)

    def reprioritize(self, stream: Stream, urgency: int, incremental: bool) -> None:
        """A stream has another priority from now on (RFC 9218 section 6)."""
        scheduled = stream.scheduled
        self.remove(stream)
        stream.urgency = urgency
        stream.incremental = incremental
        if scheduled:
            self.add(stream)
