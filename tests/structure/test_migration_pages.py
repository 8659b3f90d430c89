"""The pages for people who come from other servers have the data of `bascule migrate`."""

import re
import sys
from pathlib import Path
from runpy import run_path

import pytest

from bascule.migration.files import TABLES

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "migration_page.py"
module = run_path(str(SCRIPT))
templates = module["TEMPLATES"]


@pytest.mark.parametrize("template", templates, ids=[one.name for one in templates])
def test_pages_are_current(template: Path) -> None:
    page = template.with_suffix("")
    assert page.read_text(encoding="utf-8") == module["page"](template), "make docs"


@pytest.mark.parametrize("template", templates, ids=[one.name for one in templates])
def test_the_script_prints_a_page(
    template: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(template)])
    run_path(str(SCRIPT), run_name="__main__")
    assert capsys.readouterr().out == module["page"](template)


def test_every_server_has_its_table_on_a_page() -> None:
    whole = "".join(template.read_text(encoding="utf-8") for template in templates)
    assert sorted(TABLES) == sorted(re.findall(r"^\{([\w-]+)\}$", whole, re.MULTILINE))
