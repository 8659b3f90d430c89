"""`wsgi.input` reads as any binary file does, however the body arrives."""

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.interfaces.wsgi.input import BodyStream

PIECES = st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\xff", b"\n")))
SIZES = st.one_of(st.none(), st.integers(-2, 15))
CALLS = st.lists(
    st.tuples(st.sampled_from(["read", "readline", "readlines", "readinto", "next"]), SIZES)
)


class File(io.BytesIO):
    """With the readlines() of other files: BytesIO takes its hint one byte earlier."""

    readlines = io.IOBase.readlines


def stream_of(*pieces: bytes) -> BodyStream:
    arriving = iter(pieces)
    return BodyStream(lambda: next(arriving, b""))


def perform(stream: Any, name: str, size: int | None) -> Any:
    if name == "next":
        return next(stream, "the end")
    if name == "readinto":
        buffer = bytearray(abs(size or 0))
        return stream.readinto(buffer), buffer
    return getattr(stream, name)(size)


@given(PIECES, CALLS)
def test_whatever_is_asked_for(pieces: list[bytes], calls: list[tuple[str, int | None]]) -> None:
    pieces = [piece for piece in pieces if piece]
    stream, file = stream_of(*pieces), File(b"".join(pieces))
    for name, size in calls:
        assert perform(stream, name, size) == perform(file, name, size), (name, size)
    assert stream.read() == file.read()
    assert stream.read() == stream.readline() == stream.read(5) == stream.read1() == b""


@given(PIECES, st.lists(SIZES))
def test_read1_waits_for_one_piece_and_loses_nothing(
    pieces: list[bytes], sizes: list[int | None]
) -> None:
    pieces = [piece for piece in pieces if piece]
    whole = b"".join(pieces)
    asked: list[bytes] = []

    def next_piece() -> bytes:
        asked.append(pieces.pop(0) if pieces else b"")
        return asked[-1]

    stream, got = BodyStream(next_piece), b""
    for size in sizes:
        before = len(asked)
        data = stream.read1(size)
        assert len(asked) - before <= 1
        if size is not None and size >= 0:
            assert len(data) <= size
        assert data or size == 0 or len(got) == len(whole)
        got += data
    assert got + stream.read() == whole


def test_a_piece_that_fits_is_not_copied() -> None:
    piece = b"x" * 65536
    assert stream_of(piece, piece).read(65536) is piece
    assert stream_of(piece).read1() is piece


def test_a_body_in_tiny_pieces_takes_no_more_memory_than_it_is_long() -> None:
    length = 200_000
    arriving = iter(range(length))
    stream = BodyStream(lambda: b"xx" if next(arriving, None) is not None else b"")
    tracemalloc.start()
    try:
        assert len(stream.read()) == 2 * length
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * length


def test_nothing_is_asked_for_before_it_is_wanted() -> None:
    def next_piece() -> bytes:
        raise AssertionError

    stream = BodyStream(next_piece)
    assert (stream.read(0), stream.read1(0), stream.readline(0)) == (b"", b"", b"")
    assert stream.readable()
    assert not stream.writable()
    assert not stream.seekable()


@pytest.mark.parametrize("name", ["read", "readline"])
def test_what_was_there_is_kept_when_the_rest_does_not_come(name: str) -> None:
    def arriving() -> Iterator[bytes]:
        yield b"one, "
        yield b"two, "
        raise TimeoutError

    pieces = arriving()
    stream = BodyStream(lambda: next(pieces))
    assert stream.read(2) == b"on"
    with pytest.raises(TimeoutError):
        getattr(stream, name)(100)
    assert stream.read(8) == b"e, two, "


def test_a_stream_that_was_closed() -> None:
    stream = stream_of(b"x")
    stream.close()
    for read in (stream.read, stream.read1, stream.readline, stream.readlines):
        with pytest.raises(ValueError, match="closed file"):
            read()
