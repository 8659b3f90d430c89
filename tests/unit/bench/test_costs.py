"""The table of `make cost`, and what is kept."""

import json
import platform
from pathlib import Path

import pytest

from harness.callgrind import Function
from harness.costs import functions_table, keep, kept_costs, table


def test_a_scenario_stands_beside_its_kept_instructions():
    lines = table(
        {"asgi-hello": 26_400.4, "static": 40_000.0},
        {"asgi-hello": "ASGI hello", "static": "a file"},
        {"asgi-hello": 52_800, "gone": 1},
        {"asgi-hello": 26_000, "static": None},
    ).splitlines()
    assert [line.split() for line in lines] == [
        ["now", "kept", "change", "wanted"],
        ["asgi-hello", "ASGI", "hello", "26,400", "52,800", "-50.0", "%", "26,000"],
        ["static", "a", "file", "40,000"],
    ]


def test_keeping_one_scenario_leaves_the_others(tmp_path: Path):
    path = tmp_path / "cost.json"
    assert kept_costs(path) == {"instructions": {}}
    keep(path, {"asgi-hello": 1.4, "static": 2.6}, "abc")
    keep(path, {"static": 5.0}, "def")
    assert kept_costs(path) == {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "commit": "def",
        "instructions": {"asgi-hello": 1, "static": 5},
    }


def test_a_damaged_file_is_not_taken_for_nothing_kept(tmp_path: Path):
    path = tmp_path / "cost.json"
    path.write_text("{")
    with pytest.raises(json.JSONDecodeError):
        kept_costs(path)


def test_functions_are_shown_for_one_request():
    engine = Function("__pyx_f_7bascule_5dates_now", "/lib/dates.so", 1000, 4000, 200)
    python = Function("PyDict_GetItem", "/lib/libpython3.11.so.1.0", 3000, 3000, 50)
    lines = functions_table([python, engine], requests=100, total=4000).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["30", "75.0%", "30", "0.5", "PyDict_GetItem", "[libpython3]"],
        ["10", "25.0%", "40", "2.0", "dates.now"],
    ]
