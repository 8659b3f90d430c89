"""bascule.toml and [tool.bascule] in pyproject.toml: which is read, which lines are named."""

from pathlib import Path

import pytest

from bascule.settings.file import FileReader, key_lines
from bascule.settings.findings import Layer


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(named: str | None = None) -> tuple[Layer, list[str]]:
    findings: list[str] = []
    return FileReader(findings).read(named), findings


def values(layer: Layer) -> dict[str, object]:
    return {name: given.value for name, given in layer.items()}


def test_no_file() -> None:
    assert read() == ({}, [])


def test_own_file(directory: Path) -> None:
    (directory / "bascule.toml").write_text("# ours\n\nthreads = 3\nlog-level = 'debug'\n")
    layer, findings = read()
    assert values(layer) == {"threads": 3, "log_level": "debug"}
    assert findings == []
    assert str(layer["threads"].source) == "bascule.toml line 3"
    assert str(layer["log_level"].source) == "bascule.toml line 4"
    assert layer["log_level"].source.key == "log-level"


def test_table_of_the_project_file(directory: Path) -> None:
    text = "[project]\nname = 'threads'\n[tool.other]\nthreads = 1\n[tool.bascule]\nthreads = 3\n"
    (directory / "pyproject.toml").write_text(text)
    layer, findings = read()
    assert values(layer) == {"threads": 3}
    assert str(layer["threads"].source) == "pyproject.toml line 6"
    assert findings == []


@pytest.mark.parametrize(
    "text", ["[tool.other]\na = 1\n", "# bascule\n[tool.a]\n", "tool = 'bascule'\n", ""]
)
def test_project_file_of_other_tools(directory: Path, text: str) -> None:
    (directory / "pyproject.toml").write_text(text)
    assert read() == ({}, [])


def test_own_file_beside_a_project_file_of_other_tools(directory: Path) -> None:
    (directory / "pyproject.toml").write_text("[tool.other]\n")
    (directory / "bascule.toml").write_text("threads = 3\n")
    layer, findings = read()
    assert values(layer) == {"threads": 3}
    assert findings == []


def test_both_files(directory: Path) -> None:
    (directory / "pyproject.toml").write_text("[tool.bascule]\nthreads = 2\n")
    (directory / "bascule.toml").write_text("threads = 3\n")
    layer, findings = read()
    assert values(layer) == {"threads": 3}
    assert findings == [
        "bascule.toml and [tool.bascule] in pyproject.toml both have settings; keep one of them"
    ]


def test_named_file_replaces_the_others(directory: Path) -> None:
    (directory / "bascule.toml").write_text("threads = 3\n")
    (directory / "other.toml").write_text("threads = 4\n")
    layer, findings = read("other.toml")
    assert values(layer) == {"threads": 4}
    assert str(layer["threads"].source) == "other.toml line 1"
    assert findings == []


def test_named_project_file(directory: Path) -> None:
    (directory / "sub").mkdir()
    (directory / "sub" / "pyproject.toml").write_text("[tool.bascule]\nthreads = 5\n")
    layer, findings = read("sub/pyproject.toml")
    assert values(layer) == {"threads": 5}
    assert findings == []


def test_named_project_file_without_the_table(directory: Path) -> None:
    (directory / "pyproject.toml").write_text("[tool.other]\n")
    assert read("pyproject.toml") == ({}, ["pyproject.toml: has no [tool.bascule] table"])


def test_named_file_is_missing() -> None:
    assert read("nowhere.toml") == ({}, ["nowhere.toml: there is no such file"])


def test_named_file_is_a_directory(directory: Path) -> None:
    assert read(".") == ({}, [".: cannot be read: Is a directory"])


def test_file_is_not_text(directory: Path) -> None:
    (directory / "bascule.toml").write_bytes(b"a = '\xff'\n")
    assert read() == ({}, ["bascule.toml: is not UTF-8 text: byte 5 cannot be read"])


def test_file_is_not_toml(directory: Path) -> None:
    (directory / "bascule.toml").write_text("threads = 1\nport =\n")
    layer, findings = read()
    assert layer == {}
    assert len(findings) == 1
    assert findings[0].startswith("bascule.toml: is not valid TOML: ")
    assert "line 2" in findings[0]


def test_unknown_keys_are_all_found_with_their_lines(directory: Path) -> None:
    (directory / "bascule.toml").write_text("thread = 1\n\n[tls]\nfile = 'a'\n[other]\n")
    layer, findings = read()
    assert layer == {}
    assert findings == [
        "bascule.toml line 1: thread is not a setting; did you mean threads?",
        "bascule.toml line 3: tls is not a setting",
        "bascule.toml line 5: other is not a setting",
    ]


def test_key_that_cannot_be_in_a_file(directory: Path) -> None:
    (directory / "bascule.toml").write_text("config = 'a.toml'\n")
    assert read() == (
        {},
        ["bascule.toml line 1: config cannot be set in a file; use --config or BASCULE_CONFIG"],
    )


def test_key_in_both_spellings(directory: Path) -> None:
    (directory / "bascule.toml").write_text("log-level = 'info'\nlog_level = 'debug'\n")
    layer, findings = read()
    assert values(layer) == {"log_level": "info"}
    assert findings == [
        "bascule.toml line 2: log_level is given twice, with - and with _; keep one"
    ]


def test_line_that_cannot_be_found(directory: Path) -> None:
    (directory / "pyproject.toml").write_text("[tool]\nbascule = {threads = 1, x = 2}\n")
    layer, findings = read()
    assert str(layer["threads"].source) == "pyproject.toml"
    assert findings == ["pyproject.toml: x is not a setting"]


@pytest.mark.parametrize(
    ("text", "prefix", "lines"),
    [
        ("a = 1\n b=2\n'c' = 3\n\"d-e\" = 4\n", (), {"a": 1, "b": 2, "c": 3, "d-e": 4}),
        ("a = 1\n[ t . u ] # x\na = 2\nb = 3\n", ("t", "u"), {"a": 3, "b": 4}),
        ("t.u.a = 2\n[t]\nu.b = 3\n", ("t", "u"), {"a": 1, "b": 3}),
        ("a.b = 1\na.c = 2\n[[d]]\ne = 1\n", (), {"a": 1, "e": 4}),
        ("[t]\n[t.u]\n[t.u.v]\n", ("t", "u"), {"v": 3}),
    ],
)
def test_key_lines(text: str, prefix: tuple[str, ...], lines: dict[str, int]) -> None:
    assert key_lines(text, prefix) == lines
