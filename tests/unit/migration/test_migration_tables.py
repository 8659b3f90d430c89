"""Every setting of the other servers is converted or answered, and no answer is empty."""

import ast
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

from bascule.cli.commands import MIGRATED
from bascule.migration import daphne, gunicorn, hypercorn, uvicorn
from bascule.migration.files import BY_NAME, TABLES
from bascule.migration.plan import Plan
from bascule.migration.shapes import UNKNOWN, Found, Setting, Table
from bascule.settings import OPTIONS

EVERY = [
    pytest.param(table, setting, id=f"{table.name}-{setting.name}")
    for table in TABLES.values()
    for setting in table.settings
]
# Values of all kinds that a configuration may have for a setting.
VALUES: list[Any] = [
    None, True, False, 0, 1, 5, 65536, -1, 0.5, "", "0", "5", "on", "off", "auto", "text", "a:b",
    "a.b:c()", "/a/b", "127.0.0.1:80", "unix:/a", ":80", [], ["a"], ["127.0.0.1:80"], ("a", "b"),
    {}, {"A": "b"}, "it is a function", "-", "10m", "None", "*",
]  # fmt: skip


def options_of_argparse(package: str, file: str) -> dict[str, list[str]]:
    """The options that a module adds to its parser, read from its source: flags by name.

    The module itself would import more than a list of options is worth.
    """
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    found: dict[str, list[str]] = {}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("add_argument"):
            flags = [ast.literal_eval(one) for one in node.args]
            keywords = {one.arg: one.value for one in node.keywords}
            name = ast.literal_eval(keywords["dest"]) if "dest" in keywords else ""
            longest = max(flags, key=len).lstrip("-").replace("-", "_")
            found.setdefault(name or longest, []).extend(flags)
    assert found
    return found


def test_gunicorn_has_no_other_settings() -> None:
    config = pytest.importorskip("gunicorn.config")
    settings = gunicorn.TABLE.by_name()
    own = {one.name: list(one.cli or ()) for one in config.KNOWN_SETTINGS}
    assert own.keys() - settings.keys() == set()
    wrong = {name: flags for name, flags in own.items() if set(flags) - set(settings[name].flags)}
    assert wrong == {}


def test_flags_of_gunicorn_take_values_as_its_own_do() -> None:
    config = pytest.importorskip("gunicorn.config")
    settings = gunicorn.TABLE.by_name()
    for one in config.KNOWN_SETTINGS:
        if not one.cli:
            continue
        alone = one.action in ("store_true", "store_const")
        assert (settings[one.name].takes == "nothing") == alone, one.name
        assert settings[one.name].repeats == (one.action == "append"), one.name


def test_uvicorn_has_no_other_options() -> None:
    command = pytest.importorskip("uvicorn.main")
    parameters = command.main.params if hasattr(command, "main") else command.params
    settings = uvicorn.TABLE.by_name()
    assert {one.name for one in parameters} - settings.keys() == set()
    for one in parameters:
        flags = [flag for flag in one.opts if flag.startswith("-")]
        assert set(flags) <= set(settings[one.name].flags), one.name
        if flags:
            alone = bool(getattr(one, "is_flag", False))
            assert (settings[one.name].takes == "nothing") == alone, one.name
            assert settings[one.name].repeats == one.multiple, one.name


def test_hypercorn_has_no_other_settings() -> None:
    config = pytest.importorskip("hypercorn.config").Config
    own = {
        name
        for name, value in vars(config).items()
        if not name.startswith("_")
        and (isinstance(value, property) or not callable(value))
        and not isinstance(value, classmethod)
    }
    # Values that Hypercorn computes of others; no configuration sets them.
    own -= {"log", "ssl_enabled"}
    own |= {"application_path", "logger_class"}
    assert own - hypercorn.TABLE.by_name().keys() == set()


@pytest.mark.parametrize(
    ("table", "file"),
    [(hypercorn.TABLE, "hypercorn/__main__.py"), (daphne.TABLE, "daphne/cli.py")],
    ids=["hypercorn", "daphne"],
)
def test_command_lines_have_no_other_options(table: Table, file: str) -> None:
    settings = table.by_flag()
    names = table.by_name()
    for name, flags in options_of_argparse(table.name, file).items():
        for flag in flags:
            known = settings.get(flag) if flag.startswith("-") else names.get(table.target)
            assert known is not None, f"{name}: {flag}"


@pytest.mark.parametrize(("table", "setting"), EVERY)
def test_every_setting_is_converted_or_answered(table: Table, setting: Setting) -> None:
    assert setting.counterpart or setting.note
    assert not setting.counterpart or setting.counterpart in OPTIONS
    assert not setting.note or setting.note.endswith("."), setting.note


@pytest.mark.parametrize(("table", "setting"), EVERY)
def test_no_value_is_dropped(table: Table, setting: Setting) -> None:
    """Each value of each setting leads to a line or to a remark that names it."""
    for value in [*VALUES, UNKNOWN]:
        plan = Plan()
        plan.add(table, [Found(setting.name, value, "here", f"{setting.name} = {value!r}")])
        plan.finish()
        assert plan.lines or plan.remarks, value
        for remark in plan.remarks:
            assert remark.says


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_tables_are_consistent(table: Table) -> None:
    names = [one.name for one in table.settings]
    flags = [flag for one in table.settings for flag in one.flags]
    assert len(names) == len(set(names))
    assert len(flags) == len(set(flags))
    assert table.defaults.keys() <= set(names)
    assert not table.target or table.target in names


def test_the_command_line_names_every_kind_of_file() -> None:
    assert sorted(MIGRATED) == sorted(BY_NAME)
