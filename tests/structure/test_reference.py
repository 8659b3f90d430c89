"""Pages made from the code are as the code says."""

from collections.abc import Callable
from pathlib import Path
from runpy import run_path
from types import NoneType
from typing import get_args, get_type_hints

import pytest

from bascule.settings import OPTIONS, annotations, reference
from bascule.settings.annotations import typed
from bascule.settings.reference import settings_page
from bascule.settings.typed import AllOptions, Options

ROOT = Path(__file__).parents[2]
LIMITS = ROOT / "scripts" / "limits_page.py"
limits_page = run_path(str(LIMITS))["page"]

# Each with the module that prints it.
PAGES = [
    ("docs/reference/settings.md", str(reference.__file__), settings_page),
    ("docs/limits.md", str(LIMITS), limits_page),
    ("src/bascule/settings/typed.py", str(annotations.__file__), typed),
]


@pytest.mark.parametrize(("page", "module", "make"), PAGES, ids=[page for page, _, _ in PAGES])
def test_generated_files_are_current(page: str, module: str, make: Callable[[], str]) -> None:
    assert (ROOT / page).read_text(encoding="utf-8") == make(), f"make docs, by {module}"


@pytest.mark.parametrize(("page", "module", "make"), PAGES, ids=[page for page, _, _ in PAGES])
def test_what_generates_them_prints(
    page: str, module: str, make: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    run_path(module, run_name="__main__")
    assert capsys.readouterr().out == make()


def test_typed_options_are_those_of_the_table() -> None:
    assert get_type_hints(AllOptions).keys() == OPTIONS.keys()
    assert OPTIONS.keys() - get_type_hints(Options).keys() == {"websocket"}


def test_typed_options_take_the_defaults() -> None:
    """Each default is a value that the type allows, as far as its type shows."""
    hints = get_type_hints(AllOptions)
    for name, option in OPTIONS.items():
        if option.default is None:
            assert NoneType in get_args(hints[name]), name
        elif isinstance(option.default, bool | int | float):
            assert type(option.default) in (hints[name], *get_args(hints[name])), name


def test_every_option_has_its_entry() -> None:
    lines = settings_page().splitlines()
    paragraphs = [" ".join(part.split()) for part in settings_page().split("\n\n")]
    for option in OPTIONS.values():
        assert f"### {option.name}" in lines
        assert option.help in paragraphs


def test_ways_to_write_an_option() -> None:
    lines = settings_page().splitlines()
    assert "- Command line: `-b ADDRESS` or `--bind ADDRESS`" in lines
    assert "- Command line: `--access-log` or `--no-access-log`" in lines
    assert "- Environment: `BASCULE_PORT` or `PORT`" in lines
    assert "- Environment: `BASCULE_HEADER`, several one in a line" in lines
    assert "- File: `limit_request_body`, a number" in lines


def test_limits_page_knows_what_the_source_declares() -> None:
    module = run_path(str(LIMITS))
    filled, number = module["filled"], module["number"]
    assert filled("| {port} | {flag} |") == "| 8,000 | `--port` |"
    assert filled("{limit_body_buffer}") == "4 MiB"
    assert filled("{RequestLimits.chunk_line:bytes}, {why}").startswith("1,024 bytes, No client")
    assert filled("{Deadlines.half_close:s}") == "2 s"
    assert filled("{MOST_UNSENT:bytes}") == "64 MiB"
    assert filled("{limit_queue}") == "none"
    for wrong in ("NO_SUCH_NUMBER", "READ"):  # declared by several, differently
        with pytest.raises(LookupError, match=wrong):
            number(wrong)
    with pytest.raises(LookupError, match="no reason"):
        filled("{Deadlines.body_grace:s} {why}")
