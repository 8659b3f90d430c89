"""HPACK and another implementation of it, the package hpack: what either encodes the other decodes
to the same fields and the same table, and both refuse the same blocks.

But for these, which the other lets through and Bascule does not:

- an integer that is longer than it has to be, or above 2**32 - 1;
- more than two size updates before the fields of a block.
"""

import random
from collections.abc import Iterable

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.http2.hpack import Decoder, Encoder, HeaderListTooLong, HpackError
from support.hpack_blocks import (
    BLOCKS_OF_THE_RFC,
    Field,
    entries,
    list_size,
    lists,
    table_sizes,
)
from support.http1_requests import EXAMPLES

STRICTER = (
    "an integer is longer than it has to be",
    "an integer is larger than any has use for",
    "an integer has more bytes than any has use for",
    "a third size update stands before the fields",
)
UNBOUNDED = 2**31
# In both, so that no list is too long.
EVERYTHING = {"max_list_size": UNBOUNDED, "max_fields": UNBOUNDED}

# Up to two changes of the table's size, and then a list.
connections = st.lists(st.tuples(st.lists(table_sizes, max_size=2), lists), max_size=12)


def their_decoder() -> hpack.Decoder:
    return hpack.Decoder(max_header_list_size=UNBOUNDED)


def plain(fields: Iterable[tuple[bytes, bytes]]) -> list[Field]:
    return [(bytes(name), bytes(value)) for name, value in fields]


def their_entries(one: hpack.Decoder | hpack.Encoder) -> list[Field]:
    return plain(one.header_table.dynamic_entries)


def resize(theirs: hpack.Encoder, sizes: list[int]) -> None:
    """The same size twice makes it forget to tell of the first."""
    for size in sizes:
        if size != theirs.header_table_size:
            theirs.header_table_size = size


@EXAMPLES
@given(connections, st.randoms(use_true_random=False))
def test_their_blocks_are_decoded(
    blocks: list[tuple[list[int], list[Field]]], chance: random.Random
) -> None:
    theirs, ours = hpack.Encoder(), Decoder(5000, **EVERYTHING)
    for sizes, fields in blocks:
        resize(theirs, sizes)
        given_to_them = [
            hpack.NeverIndexedHeaderTuple(*field) if chance.random() < 0.2 else field
            for field in fields
        ]
        block = theirs.encode(given_to_them, huffman=chance.random() < 0.5)
        assert ours.decode(block) == fields
        assert entries(ours) == their_entries(theirs)
        assert ours.table.size == list_size(entries(ours))
        # A remembered block means the same as another.
        for _ in range(2):
            assert ours.decode(theirs.encode(fields)) == fields
            assert entries(ours) == their_entries(theirs)


@EXAMPLES
@given(connections, st.integers(0, 5000))
def test_our_blocks_are_decoded(
    blocks: list[tuple[list[int], list[Field]]], our_limit: int
) -> None:
    ours, theirs, own = Encoder(our_limit), their_decoder(), Decoder(5000, **EVERYTHING)
    for sizes, fields in blocks:
        for size in sizes:
            theirs.max_allowed_table_size = size
            ours.set_max_table_size(size)
        for _ in range(3):
            block = ours.encode(fields)
            assert plain(theirs.decode(block, raw=True)) == fields
            assert own.decode(block) == fields
            assert entries(ours) == entries(own) == their_entries(theirs)
            assert ours.table.limit == own.table.limit == theirs.header_table_size
        if sizes:
            assert ours.table.limit == min(our_limit, sizes[-1])


@EXAMPLES
@given(connections)
def test_secrets_are_marked_for_whoever_passes_them_on(
    blocks: list[tuple[list[int], list[Field]]],
) -> None:
    ours, theirs = Encoder(), their_decoder()
    for _, fields in blocks:
        for one in theirs.decode(ours.encode(fields), raw=True):
            name, value = plain([one])[0]
            secret = name in (b"authorization", b"proxy-authorization", b"set-cookie") or (
                name == b"cookie" and len(value) < 20
            )
            assert isinstance(one, hpack.NeverIndexedHeaderTuple) == secret


def decode_with_both(blocks: list[bytes], table_size: int) -> str | None:
    """The same lists and tables, as far as both go; the error that ended it."""
    ours, theirs = Decoder(table_size, **EVERYTHING), their_decoder()
    # Theirs starts with a table of 4,096 bytes, and gets another size as from a peer.
    theirs.max_allowed_table_size = table_size
    theirs.header_table_size = min(table_size, 4096)
    for block in blocks:
        refused = None
        try:
            fields = ours.decode(block)
        except HpackError as error:
            refused = str(error)
        try:
            their_fields = plain(theirs.decode(block, raw=True))
        except hpack.HPACKError:
            assert refused is not None
            return refused
        if refused is not None:
            assert refused in STRICTER
            return refused
        assert fields == their_fields
        assert entries(ours) == their_entries(theirs)
        assert ours.table.limit == theirs.header_table_size
    return None


data = st.one_of(
    st.binary(max_size=30),
    # Indexed fields, short strings and small integers come more often than chance has them.
    st.lists(
        st.sampled_from(
            [
                b"\x82",
                b"\xbe",
                b"\xbf",
                b"\xff\x01",
                b"\x40\x01a\x01b",
                b"\x00\x81\x1f\x00",
                b"\x10\x00\x82\x1f\xff",
                b"\x20",
                b"\x3f\x45",
                b"\x7e\x83",
                b"\xff\x80\x00",
                b"\x00",
            ]
        ),
        max_size=8,
    ).map(b"".join),
    st.tuples(st.sampled_from(BLOCKS_OF_THE_RFC), st.binary(max_size=3), st.integers(0, 90)).map(
        lambda made: made[0][: made[2]] + made[1] + made[0][made[2] + len(made[1]) :]
    ),
)


@EXAMPLES
@given(st.lists(data, max_size=6), table_sizes)
def test_any_bytes_are_accepted_by_both_or_refused_by_both(
    blocks: list[bytes], table_size: int
) -> None:
    decode_with_both(blocks, table_size)


def test_many_random_bytes() -> None:
    """More than hypothesis has time for: blocks of the RFC with accidents."""
    chance = random.Random(7541)
    ends: dict[str | None, int] = {}
    for _ in range(4000):
        blocks = []
        for _ in range(chance.randint(1, 4)):
            block = bytearray(chance.choice(BLOCKS_OF_THE_RFC))
            for _ in range(chance.choice((0, 0, 1, 2))):
                at = chance.randrange(len(block))
                block[at : at + chance.randint(0, 2)] = chance.randbytes(chance.randint(1, 2))
            blocks.append(bytes(block))
        end = decode_with_both(blocks, chance.choice((4096, 100, 300)))
        ends[end] = ends.get(end, 0) + 1
    # Each way to be refused has been found, and blocks that were not.
    assert ends[None] > 400
    assert len(ends) > 8


@pytest.mark.parametrize(
    ("block", "words"),
    [(b"\xff\x80\x00", "longer than"), (b"\x20\x20\x20\x82", "third size update")],
)
def test_where_bascule_is_stricter(block: bytes, words: str) -> None:
    """So that the list above stays true."""
    reason = decode_with_both([block], 4096)
    assert reason in STRICTER
    assert words in str(reason)


@EXAMPLES
@given(connections, st.integers(0, 400), st.integers(0, 6))
def test_a_list_that_is_too_long_leaves_the_table_in_step(
    blocks: list[tuple[list[int], list[Field]]], max_list_size: int, max_fields: int
) -> None:
    theirs, ours = hpack.Encoder(), Decoder(5000, max_list_size, max_fields)
    for sizes, fields in blocks:
        resize(theirs, sizes)
        block = theirs.encode(fields)
        if list_size(fields) > max_list_size or len(fields) > max_fields:
            with pytest.raises(HeaderListTooLong):
                ours.decode(block)
        else:
            assert ours.decode(block) == fields
        assert entries(ours) == their_entries(theirs)
