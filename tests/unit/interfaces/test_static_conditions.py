"""Conditional requests for files: each precondition, and their order (RFC 9110 section 13.2.2)."""

import pytest

from bascule.dates import http_date
from bascule.interfaces.static.conditions import (
    NOT_MODIFIED,
    PRECONDITION_FAILED,
    PROCEED,
    Validators,
    entity_tags,
    evaluate,
    may_send_part,
)

NOW = 1_700_000_000
FILE = Validators(b'"v1"', NOW)
BEFORE, SAME, AFTER = (http_date(NOW + step) for step in (-1, 0, 1))

CASES = [
    ("nothing asked", [], PROCEED),
    # If-Match
    ("If-Match names the version", [("if-match", b'"v1"')], PROCEED),
    ("If-Match names another", [("if-match", b'"v2"')], PRECONDITION_FAILED),
    ("If-Match names it among others", [("if-match", b'"a", "v1" ,"b"')], PROCEED),
    ("If-Match in two lines", [("if-match", b'"a"'), ("if-match", b'"v1"')], PROCEED),
    ("If-Match compares strongly", [("if-match", b'W/"v1"')], PRECONDITION_FAILED),
    ("If-Match: any", [("if-match", b"*")], PROCEED),
    ("If-Match is malformed", [("if-match", b"v1")], PRECONDITION_FAILED),
    ("If-Match is empty", [("if-match", b"")], PRECONDITION_FAILED),
    # If-Unmodified-Since
    ("not changed since", [("if-unmodified-since", SAME)], PROCEED),
    ("changed since", [("if-unmodified-since", BEFORE)], PRECONDITION_FAILED),
    ("since is no date", [("if-unmodified-since", b"yesterday")], PROCEED),
    (
        "If-Match goes before If-Unmodified-Since",
        [("if-match", b'"v1"'), ("if-unmodified-since", BEFORE)],
        PROCEED,
    ),
    # If-None-Match
    ("the client has it", [("if-none-match", b'"v1"')], NOT_MODIFIED),
    ("the client has another", [("if-none-match", b'"v2"')], PROCEED),
    ("If-None-Match compares weakly", [("if-none-match", b'W/"v1"')], NOT_MODIFIED),
    ("a list with empty elements", [("if-none-match", b', "a",, "v1",')], NOT_MODIFIED),
    ("commas in a tag", [("if-none-match", b'"a,b", "v1"')], NOT_MODIFIED),
    ("If-None-Match: any", [("if-none-match", b"*")], NOT_MODIFIED),
    ("If-None-Match is malformed", [("if-none-match", b"v1")], PROCEED),
    ("a quote is missing", [("if-none-match", b'"v1')], PROCEED),
    ("lower-case weak mark", [("if-none-match", b'w/"v1"')], PROCEED),
    ("no comma between", [("if-none-match", b'"a" "v1"')], PROCEED),
    # If-Modified-Since
    ("not modified since", [("if-modified-since", SAME)], NOT_MODIFIED),
    ("older than since", [("if-modified-since", AFTER)], NOT_MODIFIED),
    ("modified since", [("if-modified-since", BEFORE)], PROCEED),
    ("since is no date", [("if-modified-since", b"0")], PROCEED),
    (
        "two dates are none",
        [("if-modified-since", SAME), ("if-modified-since", SAME)],
        PROCEED,
    ),
    (
        "If-None-Match goes before If-Modified-Since",
        [("if-none-match", b'"v2"'), ("if-modified-since", SAME)],
        PROCEED,
    ),
    # In order
    (
        "412 goes before 304",
        [("if-match", b'"v2"'), ("if-none-match", b'"v1"')],
        PRECONDITION_FAILED,
    ),
    (
        "If-Match holds, then 304",
        [("if-match", b'"v1"'), ("if-none-match", b'"v1"')],
        NOT_MODIFIED,
    ),
]


@pytest.mark.parametrize(
    ("fields", "outcome"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_preconditions(fields: list[tuple[str, bytes]], outcome: int) -> None:
    assert evaluate([(name.encode(), value) for name, value in fields], FILE) == outcome


@pytest.mark.parametrize(
    ("values", "applies"),
    [
        ([], True),
        ([b'"v1"'], True),
        ([b'"v2"'], False),
        ([b'W/"v1"'], False),
        ([SAME], True),
        ([BEFORE], False),
        ([AFTER], False),
        ([b"v1"], False),
        ([b'"v1", "v2"'], False),
        ([b'"v1"', b'"v1"'], False),
    ],
)
def test_if_range(values: list[bytes], applies: bool) -> None:
    assert may_send_part([(b"if-range", value) for value in values], FILE) is applies


def test_entity_tags_hold_every_character_of_etagc() -> None:
    opaque = bytes([0x21, *range(0x23, 0x7F), *range(0x80, 0x100)])
    assert entity_tags(b'W/"%b"' % opaque) == [(True, b'"%b"' % opaque)]
    for code in (0x00, 0x1F, 0x20, 0x22, 0x7F):
        assert entity_tags(b'"a%bb"' % bytes([code])) is None
