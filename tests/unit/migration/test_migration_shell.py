"""Command lines: words, variables, the server in them, its options."""

import os

import pytest

from bascule.errors import UsageError
from bascule.migration.files import TABLES
from bascule.migration.shapes import UNKNOWN
from bascule.migration.shell import expand, invocations, read_arguments, split

SERVERS = list(TABLES)
PROCESSORS = os.cpu_count() or 1


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a b", [["a", "b"]]),
        ("a 'b c' \"d $e\" f\\ g", [["a", "b c", "d $e", "f g"]]),
        ("cd x && exec a; b | c", [["cd", "x"], ["exec", "a"], ["b"], ["c"]]),
        ("a \\\n  -b # comment\nc", [["a", "-b"], ["c"]]),
        (
            "a -w $((2 * $(nproc) + 1)) ${B:-x y}",
            [["a", "-w", "$((2 * $(nproc) + 1))", "${B:-x y}"]],
        ),
        ("a >> log 2>&1 &", [["a", ">> log", "2>&1"]]),
        ("", []),
    ],
)
def test_splitting(text: str, commands: list[list[str]]) -> None:
    assert split(text, "here") == commands


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a $(b", "a ${b", "a `b"])
def test_text_without_an_end_is_an_error_with_its_place(text: str) -> None:
    with pytest.raises(UsageError, match=r"Procfile line 3.*has no end"):
        split(text, "Procfile line 3")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("0.0.0.0:$PORT", UNKNOWN),
        ("0.0.0.0:${PORT:-80}", "0.0.0.0:80"),
        ("${A:-${B:-2}}", "2"),
        ("$KNOWN/x", "7/x"),
        ("$(nproc)", str(PROCESSORS)),
        ("$((2 * $(nproc) + 1))", str(2 * PROCESSORS + 1)),
        ("$(cat workers)", UNKNOWN),
        ("`hostname`", UNKNOWN),
    ],
)
def test_variables(raw: str, value: object) -> None:
    assert expand(raw, {"KNOWN": "7"}).value == value


@pytest.mark.parametrize(
    ("command", "server", "arguments", "rewritten"),
    [
        ("gunicorn a:b", "gunicorn", ("a:b",), "bascule serve"),
        ("/srv/venv/bin/gunicorn a:b", "gunicorn", ("a:b",), "/srv/venv/bin/bascule serve"),
        ("python -m uvicorn a:b", "uvicorn", ("a:b",), "python -m bascule serve"),
        ("poetry run gunicorn a", "gunicorn", ("a",), "poetry run bascule serve"),
        ("A=1 exec gunicorn a > log", "gunicorn", ("a",), "A=1 exec bascule serve > log"),
        (
            "sh -c 'cd /app && gunicorn a'",
            "gunicorn",
            ("a",),
            'sh -c "cd /app && bascule serve"',
        ),
        (
            "./manage.py migrate && gunicorn a",
            "gunicorn",
            ("a",),
            "./manage.py migrate && bascule serve",
        ),
        (
            "pip install gunicorn uvicorn; uvicorn b",
            "uvicorn",
            ("b",),
            "pip install gunicorn uvicorn; bascule serve",
        ),
    ],
)
def test_servers_in_commands(
    command: str, server: str, arguments: tuple[str, ...], rewritten: str
) -> None:
    (found,) = invocations(command, SERVERS, "here", {})
    assert (found.server, found.arguments, found.rewritten) == (server, arguments, rewritten)


@pytest.mark.parametrize(
    "command", ["celery -A x worker", "pip install gunicorn", "echo gunicorn"]
)
def test_other_commands_start_no_server(command: str) -> None:
    assert invocations(command, SERVERS, "here", {}) == []


def test_variables_that_a_script_sets_are_known() -> None:
    (found,) = invocations("export A=2\nB=$A\nC=3 gunicorn x", SERVERS, "here", {})
    assert found.environment == {"A": "2", "B": "2", "C": "3"}


@pytest.mark.parametrize(
    ("server", "arguments", "expected"),
    [
        (
            "gunicorn",
            "-w 4 -b :1 --bind=:2 a:b",
            {"workers": "4", "bind": [":1", ":2"], "wsgi_app": "a:b"},
        ),
        ("gunicorn", "-w4 -b:80 a", {"workers": "4", "bind": ":80", "wsgi_app": "a"}),
        (
            "gunicorn",
            "--graceful 4 --prel a",
            {"graceful_timeout": "4", "preload_app": True, "wsgi_app": "a"},
        ),
        (
            "gunicorn",
            "--no-sendfile --access-logfile - a",
            {"sendfile": False, "accesslog": "-", "wsgi_app": "a"},
        ),
        ("gunicorn", "--proxy-protocol --preload", {"proxy_protocol": True, "preload_app": True}),
        (
            "uvicorn",
            "a:b --no-access-log --reload-dir x --reload-dir y",
            {"app": "a:b", "access_log": False, "reload_dirs": ["x", "y"]},
        ),
    ],
)
def test_options(server: str, arguments: str, expected: dict[str, object]) -> None:
    found, remarks = read_arguments(TABLES[server], arguments.split(), "here", {})
    assert {one.name: one.value for one in found} == expected
    assert remarks == []


def test_words_that_a_server_does_not_know_are_reported() -> None:
    found, remarks = read_arguments(TABLES["uvicorn"], ["a:b", "--colour", "c"], "here", {})
    assert [one.name for one in found] == ["app"]
    assert [one.text for one in remarks] == ["--colour c"]


def test_an_option_that_is_given_again_is_reported() -> None:
    found, remarks = read_arguments(TABLES["gunicorn"], ["-w", "2", "-w", "3", "a"], "here", {})
    assert {one.name: one.value for one in found} == {"workers": "3", "wsgi_app": "a"}
    assert [one.text for one in remarks] == ["-w 2"]


@pytest.mark.parametrize(
    ("server", "arguments", "target", "remarked"),
    [
        ("hypercorn", "a:b --timeout 120", "a:b", "--timeout 120"),
        ("daphne", "--pythonpath ./app a.asgi:b", "a.asgi:b", "--pythonpath ./app"),
        ("gunicorn", "--quickly a:b", "a:b", "--quickly"),
        ("uwsgi", "--force-cwd /srv x.ini", "x.ini", "--force-cwd /srv"),
    ],
)
def test_unknown_options(server: str, arguments: str, target: str, remarked: str) -> None:
    found, remarks = read_arguments(TABLES[server], arguments.split(), "here", {})
    assert [one.value for one in found] == [target]
    assert [one.text for one in remarks] == [remarked]
