"""Conditional requests (RFC 9110 section 13): whether a file is sent, and whether a part of it may
be.

Preconditions are evaluated in the order of section 13.2.2:

    1  If-Match              fails: 412
    2  If-Unmodified-Since   only without If-Match; fails: 412
    3  If-None-Match         fails: 304
    4  If-Modified-Since     only without If-None-Match; fails: 304
    5  If-Range              fails: Range is ignored

A field that is malformed never makes a request succeed by accident: a malformed If-Match matches
nothing, and a malformed If-None-Match, date or If-Range leaves the file to be sent whole.
"""

import re
from typing import Final

from bascule.dates import parse_date
from bascule.protocols.headers import Fields

PROCEED: Final = 0
NOT_MODIFIED: Final = 304
PRECONDITION_FAILED: Final = 412

# Section 8.8.3.
ENTITY_TAG = re.compile(rb'(?P<weak>W/)?(?P<opaque>"[\x21\x23-\x7e\x80-\xff]*")')
SEPARATOR = re.compile(rb"[ \t]*(?:,[ \t]*)+")


class Validators:
    """The validators of one version of a file.

    entity_tag: a strong entity tag, with its quotes.
    modified: seconds since the epoch.
    """

    __slots__ = ("entity_tag", "modified")

    def __init__(self, entity_tag: bytes, modified: int) -> None:
        self.entity_tag = entity_tag
        self.modified = modified


def joined(fields: Fields, name: bytes) -> bytes | None:
    """Return the values of a list-based field as one (section 5.3), None where there is none."""
    found: bytes | None = None
    for field, value in fields:
        if field == name:
            found = value if found is None else found + b", " + value
    return found


def single(fields: Fields, name: bytes) -> bytes | None:
    """Return the value of a field that may come once; None where it is missing or comes twice."""
    found: bytes | None = None
    for field, value in fields:
        if field == name:
            if found is not None:
                return None
            found = value
    return found


def evaluate(fields: Fields, current: Validators) -> int:
    """Evaluate the preconditions of a GET or HEAD: PROCEED, NOT_MODIFIED or
    PRECONDITION_FAILED."""
    wanted = joined(fields, b"if-match")
    if wanted is not None:
        if not matches_strongly(wanted, current.entity_tag):
            return PRECONDITION_FAILED
    else:
        since = date_of(fields, b"if-unmodified-since")
        if since is not None and current.modified > since:
            return PRECONDITION_FAILED
    known = joined(fields, b"if-none-match")
    if known is not None:
        return NOT_MODIFIED if matches_weakly(known, current.entity_tag) else PROCEED
    since = date_of(fields, b"if-modified-since")
    return NOT_MODIFIED if since is not None and current.modified <= since else PROCEED


def may_send_part(fields: Fields, current: Validators) -> bool:
    """Evaluate If-Range (section 13.1.5): whether Range may be applied.

    A date has to be exactly that of the file. Rejected: a file that is not newer than the date,
    as one that was replaced by an older one has other bytes.
    """
    present = [value for name, value in fields if name == b"if-range"]
    if not present:
        return True
    if len(present) > 1:
        return False
    tag = ENTITY_TAG.fullmatch(present[0])
    if tag is not None:
        return not tag["weak"] and tag["opaque"] == current.entity_tag
    return parse_date(present[0]) == current.modified


def date_of(fields: Fields, name: bytes) -> int | None:
    """Return the date that a field names; None where it is missing or not to be used."""
    value = single(fields, name)
    return None if value is None else parse_date(value)


def matches_strongly(wanted: bytes, entity_tag: bytes) -> bool:
    """If-Match (section 13.1.1) by strong comparison (section 8.8.3.2)."""
    if wanted.strip(b" \t") == b"*":
        return True
    tags = entity_tags(wanted)
    return tags is not None and (False, entity_tag) in tags


def matches_weakly(known: bytes, entity_tag: bytes) -> bool:
    """If-None-Match (section 13.1.2) by weak comparison (section 8.8.3.2)."""
    if known == entity_tag:
        # A cache that has one version sends just its tag.
        return True
    if known.strip(b" \t") == b"*":
        return True
    tags = entity_tags(known)
    return tags is not None and any(opaque == entity_tag for _, opaque in tags)


def entity_tags(value: bytes) -> list[tuple[bool, bytes]] | None:
    """Read a list of entity tags as (is weak, opaque tag); None where it is malformed. Recipients
    accept empty elements (section 5.6.1.2)."""
    tags = []
    value = value.strip(b" \t,")
    position = 0
    while position < len(value):
        match = ENTITY_TAG.match(value, position)
        if match is None:
            return None
        tags.append((match["weak"] is not None, match["opaque"]))
        position = match.end()
        if position < len(value):
            separator = SEPARATOR.match(value, position)
            if separator is None:
                return None
            position = separator.end()
    return tags
