"""protocols/http2/hpack_table.py: the ring against a plain list."""

from hypothesis import given
from hypothesis import strategies as st

from bascule.protocols.http2.hpack_table import DynamicTable, SearchableTable
from support.hpack_blocks import Field, list_size
from support.http1_requests import EXAMPLES

fields = st.tuples(st.sampled_from([b"", b"a", b"bb"]), st.integers(0, 30).map(lambda n: b"v" * n))
steps = st.lists(st.one_of(fields, st.integers(0, 1000)), max_size=120)


def fit(model: list[Field], limit: int) -> None:
    while list_size(model) > limit:
        model.pop()


def check(table: DynamicTable, model: list[Field]) -> None:
    assert table.count == len(model)
    assert table.size == list_size(model)
    assert [table.entry(index) for index in range(table.count + 2)] == [*model, None, None]
    # A dropped entry is not kept alive.
    assert sum(one is not None for one in table.ring) == len(model)


@EXAMPLES
@given(steps)
def test_the_ring_is_a_list(given: list[Field | int]) -> None:
    table, model = DynamicTable(1000), list[Field]()
    for step in given:
        if isinstance(step, int):
            table.resize(step)
            fit(model, step)
        else:
            table.add(step, list_size([step]))
            model.insert(0, step)
            fit(model, table.limit)
        check(table, model)


@EXAMPLES
@given(steps)
def test_what_is_in_the_table_is_found(given: list[Field | int]) -> None:
    table, model = SearchableTable(1000), list[Field]()
    for step in given:
        if isinstance(step, int):
            table.resize(step)
            fit(model, step)
        elif step not in model and list_size([step]) <= table.limit:
            table.insert(step, list_size([step]))
            model.insert(0, step)
            fit(model, table.limit)
        check(table, model)
        wire = {field: 62 + place for place, field in enumerate(model)}
        for name in (b"", b"a", b"bb"):
            places = [index for field, index in wire.items() if field[0] == name]
            assert table.index_of_name(name) == min(places, default=0)
            for size in range(31):
                field = (name, b"v" * size)
                assert table.index_of_field(field) == wire.get(field, 0)


def test_an_entry_larger_than_the_table_empties_it() -> None:
    table = DynamicTable(40)
    table.add((b"a", b"b"), 34)
    table.add((b"a", b"b" * 8), 41)
    check(table, [])
    table.add((b"a", b"b" * 7), 40)
    check(table, [(b"a", b"b" * 7)])
