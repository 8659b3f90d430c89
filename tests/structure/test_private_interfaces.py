"""docs/design/private-interfaces.md lists the private names of others that the source uses."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "bascule"
PAGE = ROOT / "docs" / "design" / "private-interfaces.md"
ROW = re.compile(r"^\| (?!Name|---)(.+) \|$", re.MULTILINE)
IN_BACKTICKS = re.compile(r"`([^`]+)`")
# Documented in spite of the underscore.
PUBLIC = {"_exit"}


class Entry:
    """One row of the page.

    names: of interfaces; a colon ends them.
    modules: paths below src/bascule.
    tests: paths below the root of the repository.
    """

    def __init__(self, row: str) -> None:
        cells = row.split(" | ")
        assert len(cells) == 4, row
        self.names = IN_BACKTICKS.findall(cells[0].partition(": ")[0])
        self.modules = IN_BACKTICKS.findall(cells[1])
        self.guard = cells[2]
        self.tests = IN_BACKTICKS.findall(cells[3])


ENTRIES = [Entry(row) for row in ROW.findall(PAGE.read_text("utf-8"))]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: " ".join(entry.names))
def test_entry_is_true(entry: Entry) -> None:
    assert entry.names
    assert entry.modules
    assert entry.tests
    texts = [(SOURCE / module).read_text("utf-8") for module in entry.modules]
    assert [name for name in entry.names if not any(name in text for text in texts)] == []
    assert [text for text in texts if not any(name in text for name in entry.names)] == []
    assert [test for test in entry.tests if not (ROOT / test).is_file()] == []


def test_every_private_name_that_is_used_is_listed() -> None:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}
    own = {name for tree in trees.values() for name in defined(tree)} | PUBLIC
    listed = {
        (name, module) for entry in ENTRIES for name in entry.names for module in entry.modules
    }
    found = {
        (name, path.relative_to(SOURCE).as_posix())
        for path, tree in trees.items()
        for name in used(tree)
        if is_private(name) and name not in own
    }
    assert found - listed == set()


def is_private(name: str) -> bool:
    return re.fullmatch(r"_(?!_)\w+(?<!__)", name) is not None


def used(tree: ast.Module) -> Iterator[str]:
    """Attributes, imports, and names that are given to `getattr` and the like."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                yield name
            case ast.ImportFrom(names=aliases) | ast.Import(names=aliases):
                for alias in aliases:
                    yield alias.name.rpartition(".")[2]
            case ast.Call(args=[_, ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Subscript(value=ast.Call(), slice=ast.Constant(value=str(name))):
                yield name


def defined(tree: ast.Module) -> Iterator[str]:
    """Names of Bascule's own: functions, classes, variables, attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


def test_used_names_are_found() -> None:
    tree = ast.parse(
        "import _a\nfrom b import _c\nd._e()\ngetattr(f, '_g', None)\nvars(h)['_i']\nj.__k__"
    )
    assert {name for name in used(tree) if is_private(name)} == {"_a", "_c", "_e", "_g", "_i"}
