"""Generated heads, and those of the corpus, are read alike by both forms of the reader, by llhttp
and by h11, but for the differences that support/http1_heads.py lists.

`python tests/fuzz/fuzz_heads.py` compares as many more as there is time for.
"""

import random

import pytest

from support.http1_heads import (
    END,
    LOOSER_THAN_LLHTTP,
    OTHER_PERSISTENCE,
    STRICTER_THAN_LLHTTP,
    compare_head,
    heads,
    read_in_both_forms,
    walk,
)
from support.http1_oracle import explain
from support.wire import Case, load_corpus

LOTS = 8
HEADS = 2500
# Cases of limits have limits of their own.
CORPUS = [case for case in load_corpus("http1") if "/limits/" not in case.name]


@pytest.mark.parametrize("seed", range(LOTS))
def test_generated_heads(seed: int) -> None:
    kinds = []
    for head in heads(seed, HEADS):
        try:
            kinds.append(compare_head(head).kind)
        except AssertionError as error:
            error.add_note(f"of the head {head!r}")
            raise
    # Heads that are all refused, or all taken, would prove little.
    assert HEADS * 0.2 < kinds.count("taken") < HEADS * 0.8


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_the_corpus(case: Case) -> None:
    # Empty lines before a request are the engine's to skip.
    data = case.data.lstrip(b"\r\n")
    if END in data:
        # h11 sees the whole corpus elsewhere.
        compare_head(data.partition(END)[0] + END, with_h11=False)


def test_every_listed_difference_is_one() -> None:
    table = STRICTER_THAN_LLHTTP | LOOSER_THAN_LLHTTP | OTHER_PERSISTENCE
    shown = {reason for head in heads(0, HEADS) for reason in explain(table, head)}
    assert shown == table.keys()


def test_a_valid_head_shows_no_difference() -> None:
    valid = b"POST /x HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert explain(STRICTER_THAN_LLHTTP | LOOSER_THAN_LLHTTP | OTHER_PERSISTENCE, valid) == []


@pytest.mark.parametrize("size", range(34))
def test_every_byte_at_every_place_of_a_value(size: int) -> None:
    """RFC 9110 section 5.5: values are checked eight bytes at once."""
    for at in range(size):
        for byte in range(256):
            value = bytearray(b"v" * size)
            value[at] = byte
            head = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: %b\r\n\r\n" % value
            allowed = byte == 0x09 or (byte >= 0x20 and byte != 0x7F)
            assert (walk(head).kind == "taken") == allowed, head


def test_lines_that_share_a_place_are_told_apart() -> None:
    """There are more of them than places."""
    chance = random.Random(7)
    values = [b"%x" % chance.getrandbits(chance.choice((4, 12, 60, 200))) for _ in range(3000)]
    for value in values + values:
        head = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: %b\r\nX-%b: 1\r\n\r\n" % (value, value)
        ours = read_in_both_forms(head)
        assert ours.request[0][3][1:] == [(b"accept", value), (b"x-" + value, b"1")]
