"""protocols/scanning.py. Its compiled twins are reached through the reader of heads
(tests/wire/test_http1_heads.py)."""

import pytest

from bascule.protocols.scanning import find, is_text, same, tag

DATA = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_bytes_are_compared_where_they_lie() -> None:
    assert same(DATA, 0, b"GET", 3)
    assert same(DATA, 16, b"Hosts", 4)
    assert not same(DATA, 16, b"Hosts", 5)
    assert not same(DATA, 17, b"Host", 4)
    assert same(DATA, 3, b"", 0)


def test_a_byte_is_found_between_two_places() -> None:
    assert find(DATA, 0x0D, 0, len(DATA)) == 14
    assert find(DATA, 0x0D, 14, 15) == 14
    assert find(DATA, 0x0D, 15, 23) == -1


@pytest.mark.parametrize("byte", range(256))
def test_text_has_no_control_byte_but_a_tab(byte: int) -> None:
    """RFC 9110 section 5.5."""
    data = b"\0ab%cde\0" % byte
    assert is_text(data, 1, 6) == (byte == 9 or 0x20 <= byte <= 0x7E or byte >= 0x80)
    assert is_text(data, 1, 3)
    assert is_text(data, 3, 3)


def test_equal_bytes_have_equal_tags() -> None:
    assert tag(b"\0\r\nAccept: x\r\n", 3, 12) == tag(b"x\r\nAccept: x\r\n", 3, 12) < 256
