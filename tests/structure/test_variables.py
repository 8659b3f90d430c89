"""Environment variables between processes are named in one file, which explains each of them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bascule import variables
from bascule.settings import OPTIONS

SOURCE = Path(variables.__file__).parent
# It imports nothing of the package, so that setup.py can read it.
ELSEWHERE = {"speed.py": {"BASCULE_PURE"}}
NAMES = {
    value for name, value in vars(variables).items() if name.isupper() and isinstance(value, str)
} | variables.OWN_VARIABLES


def literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_other_file_spells_their_names() -> None:
    spelled = {
        (path.name, literal)
        for path in SOURCE.rglob("*.py")
        if path.name != "variables.py"
        for literal in set(literals(path)) & NAMES - ELSEWHERE.get(path.name, set())
    }
    assert spelled == set()


def test_no_other_variable_has_the_prefix_of_settings() -> None:
    known = variables.OWN_VARIABLES | {option.variable for option in OPTIONS.values()}
    found = {
        literal
        for path in SOURCE.rglob("*.py")
        for literal in literals(path)
        if re.fullmatch("BASCULE_[A-Z_]+", literal) and literal != "BASCULE_"
    }
    assert found - known == set()


def test_each_is_explained() -> None:
    assert variables.__doc__ is not None
    explained = re.findall(r"^ {4}([A-Z_]+(?:, [A-Z_]+)*) ", variables.__doc__, re.MULTILINE)
    assert {name for line in explained for name in line.split(", ")} >= NAMES
