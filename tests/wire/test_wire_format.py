r"""The form of the corpus files is itself something that can break."""

import random
from pathlib import Path

import pytest

from support.wire import (
    EDGE,
    byte_by_byte,
    decode,
    decode_lines,
    load_case,
    load_corpus,
    random_pieces,
)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b""),
        ("GET / {x}", b"GET / {x}"),
        (r"a\r\n\t\0\\", b"a\r\n\t\0\\"),
        (r"\x00\xff\x7B", b"\x00\xff{"),
        (r"\{3:ab}c", b"abababc"),
        (r"\{2:x\{3:\r\n}y}", b"x\r\n\r\n\r\nyx\r\n\r\n\r\ny"),
        (r"\{0:gone}", b""),
    ],
)
def test_escapes_stand_for_bytes(text: str, data: bytes) -> None:
    assert decode(text) == data


@pytest.mark.parametrize("text", [r"\q", "\\", r"\xZZ", r"\x1", r"\{3:ab", r"\{x:ab}", "caf\xe9"])
def test_unknown_escapes_are_errors(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        decode(text)


def test_line_breaks_of_the_file_mean_nothing() -> None:
    assert decode_lines("GET \\\\\nx\\r\\n\n") == b"GET \\x\r\n"


def test_unseen_white_space_is_an_error() -> None:
    with pytest.raises(ValueError, match="invisible white space"):
        decode_lines("GET \n/")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('why = "x"\n', "no line '---'"),
        ('why = "x"\nstats = 400\n---\n', "stats"),
        ('why = "x"\n[[request]]\nmethd = "GET"\n---\n', "methd"),
    ],
)
def test_mistakes_in_a_case_are_errors(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "case.http"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load_case(path)


def test_cutting_loses_nothing() -> None:
    data = random.Random(1).randbytes(5000)
    pieces = list(byte_by_byte(data))
    assert b"".join(pieces) == data
    assert {len(piece) for piece in pieces[:EDGE] + pieces[-EDGE:]} == {1}
    assert len(pieces) < len(data)
    for seed in range(20):
        assert b"".join(random_pieces(data, str(seed))) == data


def test_no_case_is_there_twice_or_without_a_reason() -> None:
    cases = load_corpus("http1")
    assert len(cases) > 500
    assert len({(case.data, case.limits, case.header_map) for case in cases}) == len(cases)
    assert all(case.why and case.why.endswith(".") for case in cases)
