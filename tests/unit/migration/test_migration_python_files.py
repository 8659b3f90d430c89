"""gunicorn.conf.py, read without executing it."""

import textwrap
from pathlib import Path

import pytest

from bascule.errors import UsageError
from bascule.migration import gunicorn
from bascule.migration.python_files import HOOK, PythonFile, execute
from bascule.migration.shapes import UNKNOWN, Reading


def read(text: str) -> Reading:
    return PythonFile(gunicorn.TABLE, "gunicorn.conf.py", textwrap.dedent(text), {}).read()


def values(reading: Reading) -> dict[str, object]:
    assert {server for server, _ in reading.found} <= {"gunicorn"}
    return {one.name: one.value for _, one in reading.found}


def remarks(reading: Reading) -> list[str]:
    return [f"{one.place}: {one.text}: {one.says}" for one in reading.remarks]


def test_settings_by_way_of_variables_and_modules() -> None:
    reading = read("""
        '''A docstring.'''
        import multiprocessing as mp
        from os import environ, path
        host, port = "127.0.0.1", 8000
        bind = f"{host}:{port}"
        workers: int = mp.cpu_count() and 3
        timeout = 10
        timeout += 20
        umask = 0o22
        pidfile = path.join(path.dirname("/srv/x"), "pid")
    """)
    assert values(reading) == {
        "bind": "127.0.0.1:8000",
        "workers": 3,
        "timeout": 30,
        "umask": 18,
        "pidfile": "/srv/pid",
    }
    assert remarks(reading) == []
    assert reading.found[0][1].place == "gunicorn.conf.py line 6"


def test_code_is_reported_and_not_executed() -> None:
    reading = read("""
        import os
        os.system("exit 1")
        for name in os.environ:
            workers = 3
        threads = compute()
        settings["x"] = 1
        def compute():
            return 2
        unused = 5
        accesslog = None
    """)
    assert values(reading) == {"workers": UNKNOWN, "threads": UNKNOWN, "accesslog": None}
    found = "\n".join(remarks(reading))
    for line, text in ((3, "os.system"), (4, "for name"), (7, "settings['x']"), (10, "unused")):
        assert f"line {line}: {text}" in found


def test_conditions() -> None:
    reading = read("""
        import os, platform
        production = True
        if production:
            workers = 4
        else:
            workers = 1
        if os.environ.get("DEBUG"):
            reload = True
        if platform.system() == "Darwin":
            threads = 1
        else:
            threads = 2
        try:
            timeout = 5
        except ImportError:
            pass
    """)
    assert values(reading) == {"workers": 4, "threads": UNKNOWN, "timeout": 5}
    assert [one.why for _, one in reading.found if one.name == "threads"] == [
        ("it depends on: platform.system() == 'Darwin'",),
        ("it depends on: not (platform.system() == 'Darwin')",),
    ]
    assert "DEBUG decides it where the server runs" in remarks(reading)[0]


def test_functions_are_hooks() -> None:
    reading = read("""
        import tools
        limit = 5
        def post_fork(server, worker):
            tools.start(limit)
        when_ready = tools.ready
    """)
    assert values(reading) == {"post_fork": HOOK, "when_ready": UNKNOWN}
    assert remarks(reading) == []


def test_an_annotation_is_no_value() -> None:
    """YAML in a Python file: Gunicorn starts, and ignores it."""
    reading = read("workers: 4\nbind = ':80'\n")
    assert values(reading) == {"bind": ":80"}
    assert "line 1: workers: 4: This is an annotation" in remarks(reading)[0]


@pytest.mark.parametrize("text", ["workers = = 3", "x = 1\0", "if True:\nworkers = 3"])
def test_syntax_errors_have_their_place(text: str) -> None:
    with pytest.raises(UsageError, match=r"gunicorn\.conf\.py"):
        read(text)


def test_syntax_error_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"^gunicorn\.conf\.py line 2: "):
        PythonFile(gunicorn.TABLE, "gunicorn.conf.py", "a = 1\nb = = 2\n", {}).read()


def test_executing_takes_the_values_of_the_end(tmp_path: Path) -> None:
    path = tmp_path / "gunicorn.conf.py"
    path.write_text(
        "import pathlib\nprint('noise')\nworkers = sum([1 for _ in 'ab'])\nother = 1\n"
        "pidfile = pathlib.Path('x')\ndef post_fork(server, worker): pass\n"
    )
    reading = execute(gunicorn.TABLE, str(path))
    assert values(reading) == {"workers": 2, "pidfile": UNKNOWN, "post_fork": HOOK}


def test_a_file_that_fails_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gunicorn.conf.py"
    path.write_text("raise RuntimeError('no database')\n")
    with pytest.raises(UsageError, match=r"failed when it was executed: .*no database"):
        execute(gunicorn.TABLE, str(path))
