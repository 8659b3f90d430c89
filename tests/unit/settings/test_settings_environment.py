"""BASCULE_* variables, PORT, and files of variables."""

from pathlib import Path

import pytest

from bascule.settings.environment import read_env_file, read_environment
from bascule.settings.findings import Layer
from bascule.variables import OWN_VARIABLES


def read(**environ: str) -> tuple[Layer, list[str]]:
    findings: list[str] = []
    return read_environment(environ, findings), findings


def test_other_variables_are_left_alone() -> None:
    assert read(PATH="/bin", threads="3", THREADS="3") == ({}, [])


def test_variable() -> None:
    layer, findings = read(BASCULE_THREADS="3")
    assert layer["threads"].value == "3"
    assert str(layer["threads"].source) == "environment BASCULE_THREADS"
    assert not layer["threads"].source.alias
    assert findings == []


def test_empty_variable_is_not_set() -> None:
    assert read(BASCULE_THREADS="", PORT="") == ({}, [])


def test_alias() -> None:
    layer, _ = read(PORT="80")
    assert layer["port"].value == "80"
    assert str(layer["port"].source) == "environment PORT"
    assert layer["port"].source.alias


def test_own_variable_goes_before_its_alias() -> None:
    layer, _ = read(PORT="80", BASCULE_PORT="81")
    assert layer["port"].value == "81"
    assert not layer["port"].source.alias


def test_unknown_variables_are_findings() -> None:
    layer, findings = read(BASCULE_THREDS="3", BASCULE_ZZZZZZZZ="", BASCULE_PORT="1")
    assert set(layer) == {"port"}
    assert findings == [
        "environment: BASCULE_THREDS is not a setting; did you mean BASCULE_THREADS?",
        "environment: BASCULE_ZZZZZZZZ is not a setting",
    ]


def test_variables_that_are_no_settings() -> None:
    assert read(**dict.fromkeys(OWN_VARIABLES, "1")) == ({}, [])


def test_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_OF_TEST", "/home/x")
    path = tmp_path / ".env"
    path.write_text("# a comment\nA=1\n\nexport B='two words'\nC=${HOME_OF_TEST}/c\nD\nE=\nA=2\n")
    findings: list[str] = []
    variables, sources = read_env_file(str(path), findings)
    assert variables == {"A": "2", "B": "two words", "C": "/home/x/c", "D": "", "E": ""}
    assert {name: source.place for name, source in sources.items()} == {
        "A": f"{path} line 8",
        "B": f"{path} line 4",
        "C": f"{path} line 5",
        "D": f"{path} line 6",
        "E": f"{path} line 7",
    }
    assert str(sources["A"]) == f"{path} line 8"
    assert findings == []


def test_lines_of_an_env_file_that_are_no_variables(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ".env"
    path.write_text("A=1\n'half\nB=2\n= 3\n")
    findings: list[str] = []
    variables, _ = read_env_file(str(path), findings)
    assert variables == {"A": "1", "B": "2"}
    assert findings == [
        f'{path} line 2: "\'half" is not NAME=value',
        f"{path} line 4: '= 3' is not NAME=value",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("nowhere.env", "there is no such file of environment variables"),
        (".", "cannot be read: Is a directory"),
        ("binary.env", "is not UTF-8 text: byte 2 cannot be read"),
    ],
)
def test_env_file_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary.env").write_bytes(b"A=\xff\n")
    findings: list[str] = []
    assert read_env_file(name, findings) == ({}, {})
    assert findings == [f"{name}: {sentence}"]


def test_empty_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# nothing\n")
    findings: list[str] = []
    assert read_env_file(str(tmp_path / ".env"), findings) == ({}, {})
    assert findings == []
