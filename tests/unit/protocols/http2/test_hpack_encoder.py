"""protocols/http2/hpack.py, the encoder: what it chooses to index, and the sizes it tells."""

import pytest

from bascule.protocols.http2.hpack import Decoder, Encoder
from support.hpack_blocks import EXAMPLES_OF_THE_RFC, Field, entries

RESPONSE = [
    (b":status", b"200"),
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-length", b"1234"),
    (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
    (b"server", b"bascule"),
    (b"x-frame-options", b"DENY"),
]
NEVER = 0x10
PLAIN = 0x00


def settled(fields: list[Field]) -> Encoder:
    """An encoder that has seen the fields often enough."""
    encoder = Encoder()
    for _ in range(3):
        encoder.encode(fields)
    return encoder


@pytest.mark.parametrize(
    "fields", [fields for one in EXAMPLES_OF_THE_RFC for _, fields, _ in one.blocks]
)
def test_the_lists_of_the_rfc_come_back(fields: list[Field]) -> None:
    encoder, decoder = Encoder(), Decoder()
    for _ in range(4):
        assert decoder.decode(encoder.encode(fields)) == fields
        assert entries(decoder) == entries(encoder)


def test_a_field_of_the_static_table_is_an_byte() -> None:
    fields = [(b":method", b"GET"), (b":status", b"500"), (b"accept-encoding", b"gzip, deflate")]
    assert Encoder().encode(fields) == b"\x82\x8e\x90"
    assert Encoder().encode([(b"www-authenticate", b"")]) == b"\xbd"


def test_a_field_is_indexed_the_second_time() -> None:
    encoder = Encoder()
    field = (b"custom-key", b"custom-value")
    coded = bytes.fromhex("8825a849e95ba97d7f8925a849e95bb8e8b4bf")
    assert encoder.encode([field]) == b"\x00" + coded
    assert entries(encoder) == []
    assert encoder.encode([field]) == b"\x40" + coded
    assert entries(encoder) == [field]
    assert encoder.encode([field]) == b"\xbe"
    assert encoder.encode([field, field]) == b"\xbe\xbe"


def test_a_name_in_a_table_is_not_written_again() -> None:
    encoder = settled([(b"custom-key", b"1")])
    assert encoder.encode([(b"custom-key", b"2")]) == b"\x0f\x2f\x012"
    assert encoder.encode([(b"server", b"2")]) == b"\x0f\x27\x012"


def test_fields_that_come_once_push_nothing_out() -> None:
    encoder = settled(RESPONSE)
    before = entries(encoder)
    for number in range(1000):
        encoder.encode([*RESPONSE, (b"x-request-id", b"%d" % number)])
    assert entries(encoder) == before
    assert len(encoder.candidates) <= 64


@pytest.mark.parametrize("name", [b"date", b"content-length", b"etag", b"location", b":path"])
def test_what_passes_is_never_in_the_table(name: bytes) -> None:
    encoder = settled([(name, b"1234")])
    assert entries(encoder) == []
    assert encoder.encode([(name, b"1234")])[0] & 0xF0 == PLAIN
    assert encoder.candidates == set()


@pytest.mark.parametrize(
    "field",
    [
        (b"authorization", b"Basic YTpi"),
        (b"authorization", b""),
        (b"proxy-authorization", b"Basic YTpi"),
        (b"set-cookie", b"session=" + b"a" * 100),
        (b"cookie", b""),
        (b"cookie", b"a" * 19),
    ],
)
def test_secrets_are_never_indexed_and_not_kept(field: Field) -> None:
    encoder = Encoder()
    for _ in range(4):
        assert encoder.encode([field])[0] & 0xF0 == NEVER
        assert encoder.encode([(b":method", b"GET"), field])[1] & 0xF0 == NEVER
    assert entries(encoder) == []
    assert encoder.candidates == set()
    assert encoder.remembered == {}


def test_a_long_cookie_is_indexed() -> None:
    encoder = settled([(b"cookie", b"a" * 20)])
    assert entries(encoder) == [(b"cookie", b"a" * 20)]


def test_a_field_that_would_fill_the_table_is_not_indexed() -> None:
    fields = [(b"x", b"v" * (2048 - 32 - 1))]
    assert entries(settled(fields)) == fields
    assert entries(settled([(b"x", b"v" * (2048 - 32))])) == []


def test_strings_are_in_huffmans_code_where_that_is_shorter() -> None:
    assert Encoder().encode([(b"etag", b"\xff\xff")]) == b"\x0f\x13\x02\xff\xff"
    # As long either way: two bytes of 8 bits each.
    assert Encoder().encode([(b"etag", b"&&")]) == b"\x0f\x13\x02&&"
    assert Encoder().encode([(b"etag", b"aaa")]) == b"\x0f\x13\x82\x18\xc7"


@pytest.mark.parametrize("size", [0, 30, 126, 127, 128, 255, 16510, 16511, 70000])
@pytest.mark.parametrize("letter", [b"0", b"\xff"])
def test_strings_of_every_length(size: int, letter: bytes) -> None:
    fields = [(letter * size, b""), (b"etag", letter * size)]
    decoder = Decoder(max_list_size=10**6)
    assert decoder.decode(Encoder().encode(fields)) == fields


def test_a_repeated_list_is_the_same_block() -> None:
    encoder = settled(RESPONSE)
    block = encoder.encode(RESPONSE)
    assert encoder.encode(tuple(RESPONSE)) is block
    assert encoder.encode([(name, bytes(bytearray(value))) for name, value in RESPONSE]) is block


def test_a_repeated_list_is_another_block_when_the_table_has_changed() -> None:
    encoder, decoder = Encoder(), Decoder()
    for fields in [RESPONSE] * 3 + [[(b"x", b"y")]] * 3 + [RESPONSE]:
        assert decoder.decode(encoder.encode(fields)) == fields
    encoder.set_max_table_size(0)
    assert decoder.decode(encoder.encode(RESPONSE)) == RESPONSE
    assert entries(decoder) == []


def test_what_is_remembered_is_bounded() -> None:
    encoder = Encoder()
    for number in range(1000):
        encoder.encode([(b"etag", b"%d" % number)])
        encoder.encode([(b"etag", b"v" * 1000)] * 2)
        encoder.encode([(b":method", b"GET")] * 50)
    assert 0 < len(encoder.remembered) <= 16
    assert all(len(block) <= 256 for block in encoder.remembered.values())
    assert all(len(fields) <= 32 for fields in encoder.remembered)


@pytest.mark.parametrize(
    ("sizes", "updates"),
    [
        ([], b""),
        ([4096], b""),
        ([10000], b""),
        ([1337], b"\x3f\x9a\x0a"),
        ([10], b"\x2a"),
        ([0], b"\x20"),
        ([31], b"\x3f\x00"),
        ([100, 10, 64], b"\x2a\x3f\x21"),
        ([10, 4096], b"\x2a\x3f\xe1\x1f"),
        ([10, 10], b"\x2a"),
        ([10000, 4096], b""),
    ],
)
def test_sizes_are_told_once_at_the_beginning_of_the_next_block(
    sizes: list[int], updates: bytes
) -> None:
    encoder = Encoder()
    assert encoder.encode([(b":method", b"GET")]) == b"\x82"
    for size in sizes:
        encoder.set_max_table_size(size)
    assert encoder.encode([(b":method", b"GET")]) == updates + b"\x82"
    assert encoder.encode([(b":method", b"GET")]) == b"\x82"


def test_our_own_limit_holds_whatever_the_peer_allows() -> None:
    encoder = Encoder(64)
    assert encoder.encode([]) == b"\x3f\x21"
    encoder.set_max_table_size(10000)
    assert encoder.encode([]) == b""
    assert encoder.table.limit == 64


def test_a_larger_table_is_used_when_the_peer_allows_it() -> None:
    encoder = Encoder(10000)
    assert encoder.encode([]) == b""
    encoder.set_max_table_size(2**32 - 1)
    assert encoder.encode([]) == b"\x3f\xf1\x4d"
    assert encoder.table.limit == 10000


def test_a_table_of_nothing_is_never_used() -> None:
    encoder, decoder = Encoder(0), Decoder(0)
    for _ in range(3):
        assert decoder.decode(encoder.encode(RESPONSE)) == RESPONSE
    assert entries(encoder) == entries(decoder) == []
