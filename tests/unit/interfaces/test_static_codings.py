"""Which precompressed file is chosen by Accept-Encoding (RFC 9110 section 12.5.3)."""

import pytest

from bascule.interfaces.static.codings import acceptable


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        (b"", []),
        (b"identity", []),
        (b"gzip", [b"gzip"]),
        (b"x-gzip", [b"gzip"]),
        (b"GZIP", [b"gzip"]),
        (b"gzip, deflate, br, zstd", [b"br", b"zstd", b"gzip"]),
        (b"gzip;q=1.0, br;q=0.5", [b"gzip", b"br"]),
        (b"gzip ; q=0.5,br", [b"br", b"gzip"]),
        (b"br;q=0, gzip", [b"gzip"]),
        (b"br;q=0.000", []),
        (b"*", [b"br", b"zstd", b"gzip"]),
        (b"*;q=0.1, br;q=0", [b"zstd", b"gzip"]),
        (b"gzip;q=0.5, identity;q=0.9", []),
        (b"gzip;q=0.9, identity;q=0.5", [b"gzip"]),
        (b"gzip;q=2", []),
        (b"gzip;q=0.1234", []),
        (b"gzip;level=1", []),
        (b"gz\x00ip, br", [b"br"]),
        (b",,gzip,,", [b"gzip"]),
    ],
)
def test_codings_by_preference(value: bytes | None, expected: list[bytes]) -> None:
    assert [coding.name for coding in acceptable(value)] == expected
