"""Profiles of callgrind, and the names of Cython's functions in them."""

import pytest

from harness.callgrind import Function, matches, parse, readable

ENGINE = "__pyx_f_7bascule_9protocols_5http1_6engine_11Http1Engine_next_event"
WRAPPER = "__pyx_pw_7bascule_9protocols_5http1_6engine_11Http1Engine_7next_event"
TABLES = "__pyx_f_7bascule_9protocols_5http2_6engine_11Http2Engine_next_event"

# The same function in several places, numbers for names, relative positions, and calls.
PROFILE = f"""\
# callgrind format
version: 1
events: Ir
summary: 1066

ob=(1) /lib/engine.so
fl=(1) ???
fn=(1) {ENGINE}
0 10
+3 20
cob=(2) /lib/libpython3.11.so.1.0
cfi=(2) dictobject.c
cfn=(2) PyDict_GetItem
calls=4 300
* 1000
cfn=(4) helper
calls=1 0
* 7
fn=(3) main
0 5
cob=(1)
cfn=(1)
calls=2 0
0 1030

ob=(2)
fl=(2)
fn=(2)
120 600
-4 400
ob=(1)
fe=(1)
fn=(1)
0 1

fn=(4)
0 7

totals: 1043
"""


def test_costs_are_those_of_a_function_and_of_its_calls():
    profile = parse(PROFILE.splitlines(keepends=True))
    assert profile.total == 1043
    assert profile.functions == {
        ENGINE: Function(ENGINE, "/lib/engine.so", 31, 1038, 2),
        "helper": Function("helper", "/lib/engine.so", 7, 7, 1),
        "PyDict_GetItem": Function("PyDict_GetItem", "/lib/libpython3.11.so.1.0", 1000, 1000, 4),
        "main": Function("main", "/lib/engine.so", 5, 1035, 0),
    }
    assert sum(one.self_cost for one in profile.functions.values()) == profile.total


def test_a_file_that_was_not_written_to_its_end_is_no_profile():
    with pytest.raises(ValueError, match="no totals"):
        parse(["# callgrind format\n", "fn=(1) main\n", "0 5\n"])


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (ENGINE, "protocols.http1.engine.Http1Engine.next_event"),
        (WRAPPER, "protocols.http1.engine.Http1Engine.next_event (called from Python)"),
        ("__pyx_f_7bascule_9protocols_7headers_names", "protocols.headers.names"),
        # 43 and 4 are numbers here; `next` has four letters by chance.
        ("__pyx_pw_7bascule_5dates_43tick", "dates.tick (called from Python)"),
        ("__pyx_pw_7bascule_5dates_4next_date", "dates.next_date (called from Python)"),
        ("__pyx_tp_dealloc_7bascule_5dates_Clock", "dates.Clock (dealloc)"),
        ("__pyx_getprop_7bascule_5dates_5Clock_date", "dates.Clock.date (get)"),
        ("__pyx_f_6uvloop_4loop_4Loop__read", "uvloop.loop.Loop._read"),
        ("_Py_Dealloc'2", "_Py_Dealloc'2"),
        ("__Pyx_PyObject_Call", "__Pyx_PyObject_Call"),
    ],
)  # fmt: skip
def test_names_of_cython_are_readable(symbol: str, name: str):
    assert readable(symbol) == name


def test_a_function_is_found_by_the_end_of_its_name():
    symbols = [WRAPPER, ENGINE, TABLES, "PyDict_GetItem", "__Pyx_PyObject_Call"]
    assert matches("Http1Engine.next_event", symbols) == [ENGINE]
    assert matches("next_event", symbols) == [ENGINE, TABLES]
    assert matches("PyDict_GetItem", symbols) == ["PyDict_GetItem"]
    assert matches("event", symbols) == []
    assert matches("next_event", [WRAPPER]) == [WRAPPER]
