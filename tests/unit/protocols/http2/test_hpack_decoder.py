"""protocols/http2/hpack.py, the decoder: the examples of RFC 7541, and what it refuses."""

import pytest

from bascule.protocols.http2.hpack import Decoder, Encoder, HeaderListTooLong, HpackError
from support.hpack_blocks import (
    EXAMPLES_OF_THE_RFC,
    Example,
    entries,
    list_size,
)

by_section = pytest.mark.parametrize("example", EXAMPLES_OF_THE_RFC, ids=lambda one: one.section)
# 30 bits of ones.
EOS = b"\xff\xff\xff\xff"


def literal(value: bytes, first: bytes = b"\x00") -> bytes:
    """A field x with a value of up to 126 bytes, which is as long as it says."""
    return first + b"\x01x" + bytes([len(value)]) + value


@by_section
def test_the_examples_of_the_rfc(example: Example) -> None:
    decoder = Decoder(example.table_size)
    for data, fields, table in example.blocks:
        assert decoder.decode(bytes.fromhex(data)) == fields
        assert entries(decoder) == table
        assert decoder.table.size == list_size(table)


@by_section
def test_a_block_cut_anywhere_is_a_shorter_list_or_refused(example: Example) -> None:
    for at, (data, fields, _) in enumerate(example.blocks):
        block = bytes.fromhex(data)
        refused = 0
        for end in range(len(block)):
            decoder = Decoder(example.table_size)
            for before, _, _ in example.blocks[:at]:
                decoder.decode(bytes.fromhex(before))
            try:
                cut = decoder.decode(block[:end])
            except HpackError:
                refused += 1
            else:
                assert cut == fields[: len(cut)]
                assert len(cut) < len(fields)
        # Between fields, and nowhere else, a cut block is a block.
        assert refused == len(block) - len(fields)


@pytest.mark.parametrize(
    ("data", "size"), [(b"\x2a", 10), (b"\x3f\x9a\x0a", 1337), (b"\x3f\x00", 31)]
)
def test_integers(data: bytes, size: int) -> None:
    """RFC 7541 appendix C.1.1 and C.1.2, and the smallest integer that fills its prefix."""
    decoder = Decoder()
    assert decoder.decode(data) == []
    assert decoder.table.limit == size


def test_an_integer_at_an_byte() -> None:
    """RFC 7541 appendix C.1.3, with one bit less: the first says that a field is indexed."""
    assert Decoder().decode(b"\xaa") == [(b"if-range", b"")]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"\x80", "index 0"),
        (b"\xbe", "index 62"),
        (b"\xff\x00", "index 127"),
        (b"\xff", "within an integer"),
        (b"\xff\x80", "within an integer"),
        (b"\xff\x80\x00", "longer than it has to be"),
        (b"\xff\x81\x00", "longer than it has to be"),
        (b"\xff\xff\xff\xff\xff\x0f", "larger than"),
        (b"\xff\x81\xff\xff\xff\x0f", "larger than"),
        (b"\xff\x80\xff\xff\xff\x0f", "index 4294967295"),
        (b"\xff\x80\x80\x80\x80\x80\x01", "more bytes"),
        (b"\xff" + b"\x80" * 1000, "more bytes"),
        (b"\x7e\x00", "index 62"),
        (b"\x0f\x2f\x00", "index 62"),
        (b"\x40", "where a string should begin"),
        (b"\x41", "where a string should begin"),
        (b"\x00\x01", "within a string"),
        (b"\x00\x01x", "where a string should begin"),
        (b"\x00\x01x\x02y", "within a string"),
        (b"\x00\x01x\x7f\x80\x80\x80\x80\x01", "within a string"),
        (b"\x82\x20", "behind a field"),
        (b"\x20\x21\x22", "third size update"),
        (b"\x3f\xe2\x1f", "4097 bytes, where 4096"),
        (b"\x00\x01x\x84" + EOS, "Huffman"),
        # 'a' is 00011: seven bits of padding at most, and only ones.
        (b"\x00\x01x\x82\x1f\xff", "Huffman"),
        (b"\x00\x01x\x81\x1e", "Huffman"),
        (b"\x00\x01x\x81\x18", "Huffman"),
        (b"\x00\x01x\x81\xff", "Huffman"),
        # '&' is 11111000, and then what is left is a code that does not end.
        (b"\x00\x01x\x82\xf8\xfe", "Huffman"),
        # A name is a string too.
        (b"\x00\x81\x1e\x00", "Huffman"),
    ],
)
def test_what_is_malformed_is_refused(block: bytes, words: str) -> None:
    with pytest.raises(HpackError, match=words):
        Decoder().decode(block)


@pytest.mark.parametrize(
    ("coded", "value"),
    [
        (b"", b""),
        (b"\x1f", b"a"),
        (b"\xf8", b"&"),
        # Codes of 12 bits and 6, of 13, and of 30.
        (b"\xff\xa8\xff", b"#b"),
        (b"\xff\xc7", b"\x00"),
        (b"\xff\xff\xff\xf3", b"\n"),
    ],
)
def test_huffman_strings(coded: bytes, value: bytes) -> None:
    block = b"\x00\x01x" + bytes([0x80 | len(coded)]) + coded
    assert Decoder().decode(block) == [(b"x", value)]


def test_every_byte_goes_through_huffman() -> None:
    """Each one alone and after each number of bits, from both ends of the window."""
    for byte in range(256):
        for before in range(9):
            value = b"0" * before + bytes([byte]) * 3 + b"a" * 40
            block = Encoder().encode([(b"etag", value)])
            assert Decoder().decode(block) == [(b"etag", value)]


def test_nothing_is_added_by_fields_that_are_not_indexed() -> None:
    decoder = Decoder()
    block = literal(b"a") + literal(b"b", b"\x10")
    assert decoder.decode(block) == [(b"x", b"a"), (b"x", b"b")]
    assert entries(decoder) == []


def test_an_entry_may_be_named_by_the_one_it_drops() -> None:
    """RFC 7541 section 4.4."""
    decoder = Decoder(100)
    decoder.decode(literal(b"a" * 60, b"\x40"))
    block = b"\x7e\x02bc"
    assert decoder.decode(block) == [(b"x", b"bc")]
    assert entries(decoder) == [(b"x", b"bc")]


def test_an_entry_too_large_for_the_table_is_a_field_all_the_same() -> None:
    decoder = Decoder(64)
    decoder.decode(literal(b"a", b"\x40"))
    assert decoder.decode(literal(b"a" * 60, b"\x40")) == [(b"x", b"a" * 60)]
    assert entries(decoder) == []


def test_names_and_values_may_be_empty() -> None:
    assert Decoder().decode(b"\x40\x00\x00\xbe") == [(b"", b""), (b"", b"")]
    assert Decoder().decode(b"") == []


def test_the_table_is_resized_at_the_beginning_of_a_block() -> None:
    decoder = Decoder()
    decoder.decode(literal(b"a", b"\x40"))
    assert decoder.decode(b"\x20\x3f\xe1\x1f\x82") == [(b":method", b"GET")]
    assert entries(decoder) == []
    assert decoder.table.limit == 4096


def test_a_larger_table_than_the_default_is_used_when_the_peer_says_so() -> None:
    decoder = Decoder(10000)
    assert decoder.table.limit == 4096
    decoder.decode(b"\x3f\xf1\x4d")
    assert decoder.table.limit == 10000
    with pytest.raises(HpackError, match="10001 bytes, where 10000"):
        decoder.decode(b"\x3f\xf2\x4d")


def test_a_list_may_be_as_long_as_the_limit() -> None:
    block = literal(b"a" * 31)
    assert len(Decoder(max_list_size=64).decode(block)) == 1
    with pytest.raises(HeaderListTooLong, match="1 fields of 64 bytes, where 128 of 63"):
        Decoder(max_list_size=63).decode(block)


def test_a_list_may_have_as_many_fields_as_the_limit() -> None:
    decoder = Decoder(max_fields=3)
    assert len(decoder.decode(b"\x82" * 3)) == 3
    with pytest.raises(HeaderListTooLong, match="4 fields"):
        decoder.decode(b"\x82" * 4)
    assert len(decoder.decode(b"\x82" * 3)) == 3


def test_the_table_is_in_step_after_a_list_that_was_too_long() -> None:
    decoder = Decoder(max_list_size=100)
    with pytest.raises(HeaderListTooLong):
        decoder.decode(literal(b"a" * 90) + literal(b"b", b"\x40") + literal(b"c", b"\x40"))
    assert decoder.decode(b"\xbe\xbf") == [(b"x", b"c"), (b"x", b"b")]


def test_malformed_is_worse_than_too_long() -> None:
    with pytest.raises(HpackError):
        Decoder(max_fields=1).decode(b"\x82\x82\x80")


def test_a_bomb_is_no_list() -> None:
    """4,000 bytes, sent once and referred to 16,000 times, would be 64 MB. Nothing is kept of
    it, so it may be sent for as long as anybody likes."""
    decoder = Decoder()
    entry = b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000
    with pytest.raises(HeaderListTooLong, match="16001 fields of"):
        decoder.decode(entry + b"\xbe" * 16000)
    assert decoder.remembered == {}
    assert decoder.table.size == 4033
    assert len(decoder.decode(b"\xbe" * 16)) == 16


def test_what_is_remembered_is_bounded() -> None:
    decoder = Decoder()
    for number in range(1000):
        decoder.decode(literal(b"%d" % number))
        decoder.decode(literal(b"v" * 100) * 3)
        decoder.decode(b"\x82" * 50)
    assert 0 < len(decoder.remembered) <= 16
    assert max(map(len, decoder.remembered)) <= 256
    assert max(map(len, decoder.remembered.values())) <= 32
    assert len(decoder.scratch) <= 2048


def test_a_list_is_the_callers() -> None:
    decoder = Decoder()
    for _ in range(3):
        fields = decoder.decode(b"\x82\x84")
        assert fields == [(b":method", b"GET"), (b":path", b"/")]
        fields.clear()


def test_a_block_means_something_else_when_the_table_has_changed() -> None:
    decoder = Decoder()
    decoder.decode(literal(b"a", b"\x40"))
    assert decoder.decode(b"\xbe") == decoder.decode(b"\xbe") == [(b"x", b"a")]
    decoder.decode(literal(b"b", b"\x40"))
    assert decoder.decode(b"\xbe") == [(b"x", b"b")]
    decoder.decode(b"\x20")
    with pytest.raises(HpackError, match="index 62"):
        decoder.decode(b"\xbe")


def test_a_block_that_changes_the_table_changes_it_every_time() -> None:
    decoder = Decoder()
    for count in range(1, 4):
        assert decoder.decode(literal(b"a", b"\x40")) == [(b"x", b"a")]
        assert entries(decoder) == [(b"x", b"a")] * count


def test_what_is_indexed_is_not_copied() -> None:
    decoder = Decoder()
    (added,) = decoder.decode(literal(b"a", b"\x40"))
    first, second = decoder.decode(b"\xbe\xbe")
    assert first is second is added


def test_long_strings_do_not_stay() -> None:
    """A buffer for one long string is let go with it."""
    decoder = Decoder()
    long = Encoder().encode([(b"etag", b"0" * 50000)])
    assert decoder.decode(long) == [(b"etag", b"0" * 50000)]
    assert len(decoder.scratch) <= 2048
