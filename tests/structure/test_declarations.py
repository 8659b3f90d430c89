"""Attributes of compiled classes are declared alike in the three places that Cython needs.

`__slots__` serves uncompiled classes, the .pxd compiled ones, and `__init__` gives each attribute
its first value. None of them can be made from another: Cython reads no `__slots__`, and Python no
.pxd. An attribute that is missing in one place fails here, and so does one that nothing reads.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from bascule.speed import HOT_MODULES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

CLASS = re.compile(r"cdef class (\w+)(?:\((\w+)\))?:")
ATTRIBUTE = re.compile(r" {4}cdef (?:public |readonly )?[\w ]*?(\w+)(?: *, *\w+)*$")
TWIN = re.compile(r"^cdef inline ", re.MULTILINE)
METHOD = re.compile(r" {4}cp?def (?:[\w\[\]]+ )*?(\w+)\(")

# Attributes that others read.
READ_ELSEWHERE = {"_asyncio_future_blocking"}  # by asyncio, of what a task waits for


@dataclass
class Declared:
    """The attributes and methods of one class, by their names."""

    attributes: set[str] = field(default_factory=set)
    methods: set[str] = field(default_factory=set)


def path_of(module: str) -> Path:
    return SOURCE.joinpath(*module.split(".")).with_suffix(".py")


def in_pxd(text: str) -> dict[str, Declared]:
    """Return what the classes of a .pxd declare."""
    classes: dict[str, Declared] = {}
    declared = Declared()
    for line in text.splitlines():
        line = line.partition("#")[0].rstrip()
        if (found := CLASS.match(line)) is not None:
            declared = classes[found[1]] = Declared()
        elif (found := METHOD.match(line)) is not None:
            declared.methods.add(found[1])
        elif ATTRIBUTE.match(line) is not None:
            names = line.partition("cdef ")[2].split(",")
            declared.attributes |= {name.split()[-1] for name in names}
    return classes


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def classes_of(module: str) -> dict[str, ast.ClassDef]:
    return {
        node.name: node for node in tree(path_of(module)).body if isinstance(node, ast.ClassDef)
    }


def slots(node: ast.ClassDef) -> set[str]:
    """Return the names in `__slots__`."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__slots__":
            names = ast.literal_eval(statement.value)
            return {names} if isinstance(names, str) else {*names}
    raise AssertionError(f"{node.name} has no __slots__")


def assigned(node: ast.AST) -> set[str]:
    """Return the attributes of self that are assigned anywhere below a node."""
    return {
        target.attr
        for target in ast.walk(node)
        if isinstance(target, ast.Attribute)
        and isinstance(target.ctx, ast.Store)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    }


def functions(node: ast.ClassDef) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    return {
        part.name: part
        for part in node.body
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def first_values(node: ast.ClassDef) -> set[str]:
    """Return the attributes that `__init__` assigns, itself or by methods that it calls, and those
    that a base leaves to its subclasses: they are annotated in the body of the class."""
    left = {
        ast.unparse(part.target)
        for part in node.body
        if isinstance(part, ast.AnnAssign) and part.value is None
    }
    methods = functions(node)
    calls = ["__init__"]
    for name in calls:
        if name in methods:
            left |= assigned(methods[name])
            calls += called(methods[name]) - {*calls}
    return left


def called(node: ast.AST) -> set[str]:
    """Return the methods of self that are called below a node."""
    return {
        call.func.attr
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and ast.unparse(call.func.value) == "self"
    }


def compiled_classes() -> Iterator[tuple[str, str]]:
    for module in HOT_MODULES:
        pxd = path_of(module).with_suffix(".pxd")
        for name in in_pxd(pxd.read_text(encoding="utf-8")) if pxd.exists() else ():
            yield module, name


@cache
def names_read() -> frozenset[str]:
    """The attributes that any module of the source reads, of whatever object."""
    return frozenset(
        node.attr
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


COMPILED = list(compiled_classes())
PXD = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.pxd"))


@pytest.mark.parametrize(("module", "name"), COMPILED, ids=[name for _, name in COMPILED])
def test_attributes_are_declared_alike(module: str, name: str) -> None:
    node = classes_of(module)[name]
    pxd = path_of(module).with_suffix(".pxd")
    declared = in_pxd(pxd.read_text(encoding="utf-8"))[name].attributes
    assert slots(node) == declared, f"__slots__ and {pxd.name}"
    assert declared <= first_values(node), "attributes without a first value in __init__"
    assert declared <= names_read() | READ_ELSEWHERE, "attributes that nothing reads"


@pytest.mark.parametrize(("module", "name"), COMPILED, ids=[name for _, name in COMPILED])
def test_methods_of_a_pxd_exist(module: str, name: str) -> None:
    pxd = path_of(module).with_suffix(".pxd")
    declared = in_pxd(pxd.read_text(encoding="utf-8"))[name].methods
    assert declared <= functions(classes_of(module)[name]).keys()


def test_each_hot_module_has_its_pxd_and_the_reverse() -> None:
    """Other .pxd files hold inline functions, the compiled twins of a module of the same name."""
    modules = {
        ".".join(path.with_suffix("").parts)
        for path in PXD
        if path.stem != "__init__" and not TWIN.search((SOURCE / path).read_text(encoding="utf-8"))
    }
    assert modules == {*HOT_MODULES}
    assert len(HOT_MODULES) == len({*HOT_MODULES})


def test_each_pxd_stands_beside_its_module() -> None:
    for path in PXD:
        assert (SOURCE / path).with_suffix(".py").exists(), path


def test_packages_of_hot_modules_can_be_cimported_from() -> None:
    packages = {path.parent for path in PXD if path.stem == "__init__"}
    needed = {path.parent for path in PXD if path.stem != "__init__"}
    assert packages == needed | {parent for path in needed for parent in path.parents[:-1]}


def test_declarations_are_installed_with_the_package() -> None:
    """Compiling against an installed Bascule needs them."""
    import tomllib

    with open(ROOT / "pyproject.toml", "rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["bascule"]
    for path in PXD:
        inside = path.relative_to("bascule")
        assert any(
            fnmatch(str(inside), pattern) or fnmatch(f"./{inside}", pattern)
            for pattern in patterns
        ), inside


def test_no_module_sets_choices_of_the_hub() -> None:
    """The plan is given to its constructor. Connections add to its counts, which is all."""
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(target)}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Assign)
        for target in node.targets
        if re.search(r"(?:^|\.)hub\.\w+$", ast.unparse(target))
    ]
    assert found == []
