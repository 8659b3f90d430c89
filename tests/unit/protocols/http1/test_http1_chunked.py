"""protocols/http1/chunked.py: the chunked coding, fed directly."""

import pytest

from bascule.errors import RequestRefused
from bascule.protocols.http1.chunked import ChunkedDecoder
from bascule.protocols.limits import RequestLimits

BYTES = [b"\r", b"\n", b"x"]


def decoder(header_map: str = "drop", **limits: int) -> ChunkedDecoder:
    return ChunkedDecoder(RequestLimits(**limits), header_map)


def refused(data: bytes, **limits: int) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        decoder(**limits).decode(data, 0)
    return caught.value


def test_decodes_to_the_end_and_no_further() -> None:
    chunks = decoder()
    data = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET / HTTP/1.1\r\n"
    assert chunks.decode(data, 0) == data.index(b"GET")
    assert chunks.done
    assert chunks.take() == b"hello world"
    assert chunks.take() == b""
    assert chunks.trailers == []
    assert chunks.total == 11


def test_begins_where_it_is_told() -> None:
    chunks = decoder()
    data = b"junk before5\r\nhello\r\n0\r\n\r\n"
    assert chunks.decode(data, data.index(b"5")) == len(data)
    assert chunks.take() == b"hello"


def test_hands_out_what_is_there_of_a_chunk() -> None:
    chunks = decoder()
    assert chunks.decode(b"5\r\nhel", 0) == 6
    assert chunks.take() == b"hel"
    assert chunks.decode(b"lo\r\n", 0) == 4
    assert chunks.take() == b"lo"
    assert not chunks.done


@pytest.mark.parametrize("left", [b"", b"5", b"5;a=b", b"5\r", b"0", b"0\r"])
def test_leaves_an_unfinished_size_line(left: bytes) -> None:
    chunks = decoder()
    assert chunks.decode(left, 0) == 0
    assert chunks.take() == b""


def test_leaves_half_a_terminator() -> None:
    chunks = decoder()
    assert chunks.decode(b"1\r\nx\r", 0) == 4
    assert chunks.decode(b"\r\n", 0) == 2


@pytest.mark.parametrize("left", [b"\r", b"X-A: 1", b"X-A: 1\r", b"X-A: 1\r\n", b"X-A: 1\r\n\r"])
def test_leaves_unfinished_trailers(left: bytes) -> None:
    chunks = decoder()
    assert chunks.decode(b"0\r\n" + left, 0) == 3
    assert not chunks.done


def test_keeps_trailers() -> None:
    chunks = decoder()
    data = b"0\r\nX-A: 1\r\nx-b:\t2 \r\nX_C: 3\r\n\r\nrest"
    assert chunks.decode(data, 0) == data.index(b"rest")
    assert chunks.trailers == [(b"x-a", b"1"), (b"x-b", b"2")]


def test_underscores_in_trailers_follow_the_header_map() -> None:
    chunks = decoder("dangerous")
    chunks.decode(b"0\r\nX_C: 3\r\n\r\n", 0)
    assert chunks.trailers == [(b"x_c", b"3")]
    with pytest.raises(RequestRefused, match="underscore"):
        decoder("refuse").decode(b"0\r\nX_C: 3\r\n\r\n", 0)


@pytest.mark.parametrize(
    "line",
    [
        b"5;a",
        b"5;a=b",
        b'5;a="b"',
        b'5;a=""',
        b'5;a="b;c=\\"d\\""',
        b"5;a=b;c;d=e",
        b'5;a="\x80\xff"',
        b'5;a="\t "',
        b"5 ;a",
        b"5; a",
        b'5 \t;\ta = b ; c\t=\t"d" ;e',
    ],
)
def test_extensions_are_read_over(line: bytes) -> None:
    chunks = decoder()
    chunks.decode(line + b"\r\nhello\r\n0\r\n\r\n", 0)
    assert chunks.done
    assert chunks.take() == b"hello"


@pytest.mark.parametrize(
    "line",
    [
        b"5;",
        b"5;;a",
        b"5;=b",
        b"5;a=",
        b"5;a=b=c",
        b'5;a="b',
        b'5;a=b"',
        b'5;a="b"c',
        b'5;a="b\\"',
        b"5;a b",
        b"5;a=b c",
        b"5 ",
        b"5;a ",
        b"5; ",
        b"5;a= ",
        b" 5;a",
        b"5;\x0ba",
        b"5;caf\xe9",
        b"5;a=\xe9",
        b'5;"a"',
        b'5;a="\x00"',
        b'5;a="\\\x01"',
        b"5:a",
    ],
)
def test_malformed_extensions_are_refused(line: bytes) -> None:
    assert refused(line + b"\r\nhello\r\n0\r\n\r\n").status == 400


@pytest.mark.parametrize("piece", [b" ", b";a ", b";a =\tb", b' ;a="\\""', b"a"])
def test_a_long_line_is_looked_at_once(piece: bytes) -> None:
    """Each of these would take minutes if white space were tried in every way there is."""
    line = b"5" + b";a" + piece * (100_000 // len(piece)) + b"\x00"
    assert refused(line + b"\r\n", chunk_line=len(line)).status == 400


@pytest.mark.parametrize(
    "end", [a + b for a in (b"\r", b"\n", b"x") for b in (b"\r", b"\n", b"x")]
)
def test_only_crlf_ends_a_chunk(end: bytes) -> None:
    """CVE-2025-43859."""
    data = b"5\r\nhello" + end + b"0\r\n\r\n"
    if end == b"\r\n":
        assert decoder().decode(data, 0) == len(data)
    else:
        assert refused(data).status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"5\n",
        b"5;a=b\n",
        b"0\r\nX-A: 1\n",
        b"0\r\n\n",
        b"0\r\nX-A: 1\n\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\nX A: 1\r\n\r\n",
        b"0\r\nX-A: \x01\r\n\r\n",
        b"0\r\nHost: a\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"8000000000000000\r\n",
        b"ffffffffffffffff\r\n",
        b"00000000000000001\r\n",
    ],
)
def test_malformed_lines_are_refused(data: bytes) -> None:
    assert refused(data).status == 400


def test_a_limit_of_the_body_counts_announcements() -> None:
    chunks = decoder(body=6)
    chunks.decode(b"5\r\nhello\r\n1\r\n!", 0)
    assert refused(b"5\r\nhello\r\n2\r\n", body=6).status == 413
    assert refused(b"7fffffffffffffff\r\n", body=6).status == 413


def test_the_reason_says_the_limit() -> None:
    assert "6 bytes" in str(refused(b"7\r\n", body=6))
    assert "20 bytes" in str(refused(b"5;a=" + b"b" * 30, chunk_line=20))
    assert "20 bytes" in str(refused(b"0\r\nX-A: " + b"b" * 30, trailer=20))
    assert "2 trailer" in str(refused(b"0\r\na: b\r\na: b\r\na: b\r\n\r\n", fields=2))


@pytest.mark.parametrize("cut", range(1, 24))
def test_the_limit_of_a_size_line_does_not_depend_on_the_cut(cut: int) -> None:
    """The line is as long as its limit; its CR LF may arrive apart."""
    data = b"1;a=" + b"b" * 16 + b"\r\nx\r\n0\r\n\r\n"
    chunks = decoder(chunk_line=20)
    at = chunks.decode(data[:cut], 0)
    chunks.decode(data[at:], 0)
    assert chunks.done
    assert refused(data.replace(b"bb", b"bbb", 1), chunk_line=20).status == 400


@pytest.mark.parametrize("cut", range(3, 27))
def test_the_limit_of_trailers_does_not_depend_on_the_cut(cut: int) -> None:
    """The section is as long as its limit; the line ends that close it may arrive apart."""
    data = b"0\r\nX-A: " + b"b" * 15 + b"\r\n\r\n"
    chunks = decoder(trailer=20)
    at = chunks.decode(data[:cut], 0)
    chunks.decode(data[at:], 0)
    assert chunks.trailers == [(b"x-a", b"b" * 15)]
    assert refused(data.replace(b"bb", b"bbb", 1), trailer=20).status == 431


def test_nothing_happens_behind_the_end() -> None:
    chunks = decoder()
    chunks.decode(b"0\r\n\r\n", 0)
    assert chunks.decode(b"5\r\nhello\r\n", 0) == 0
    assert chunks.take() == b""
