"""Pages made from the code are as the code says."""

from pathlib import Path
from runpy import run_path

import pytest

from bascule.settings import OPTIONS
from bascule.settings import reference as module
from bascule.settings.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_settings_page_is_current() -> None:
    remedy = "python -m bascule.settings.reference > docs/reference/settings.md"
    assert PAGE.read_text(encoding="utf-8") == reference(), remedy


def test_page_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    run_path(module.__file__, run_name="__main__")
    assert capsys.readouterr().out == module.reference()


def test_every_option_has_its_entry() -> None:
    lines = reference().splitlines()
    for option in OPTIONS.values():
        assert f"### {option.name}" in lines
        assert option.help in lines


def test_ways_to_write_an_option() -> None:
    lines = reference().splitlines()
    assert "- Command line: `-b ADDRESS` or `--bind ADDRESS`" in lines
    assert "- Command line: `--access-log` or `--no-access-log`" in lines
    assert "- Environment: `BASCULE_PORT` or `PORT`" in lines
    assert "- Environment: `BASCULE_HEADER`, several one in a line" in lines
    assert "- File: `limit_request_body`, a number" in lines
