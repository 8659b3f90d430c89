"""The lines at start-up."""

import pytest

from bascule.observability.banner import banner
from bascule.version import __version__

FACTS = {
    "target": "polls.wsgi",
    "interface": "wsgi",
    "addresses": ["http://127.0.0.1:8000", "unix:/run/app.sock"],
    "threads": 8,
    "loop": "uvloop",
    "compiled": True,
    "pid": 4711,
    "python": "3.11.7",
}


def test_everything_is_said():
    assert banner(**FACTS) == [
        f"bascule {__version__} (compiled, Python 3.11.7, uvloop, pid 4711)",
        "serving polls.wsgi as WSGI in 8 threads",
        "listening on http://127.0.0.1:8000",
        "listening on unix:/run/app.sock",
    ]


def test_uncompiled_says_how_to_be_fast():
    lines = banner(**{**FACTS, "compiled": False})
    assert "(not compiled, " in lines[0]
    assert lines[-1] == "running uncompiled: install with a C compiler for full speed"


def test_uncompiled_by_choice_needs_no_advice():
    lines = banner(**{**FACTS, "compiled": False, "forced_pure": True})
    assert "(not compiled, " in lines[0]
    assert "compiler" not in lines[-1]


@pytest.mark.parametrize(
    ("interface", "threads", "words"),
    [
        ("asgi3", None, "as ASGI 3"),
        ("asgi2", None, "as ASGI 2"),
        ("wsgi", 1, "as WSGI in 1 thread"),
        ("wsgi", 0, "as WSGI on the event loop's thread, one request at a time"),
        ("other", None, "as other"),
    ],
)
def test_how_the_application_is_called(interface, threads, words):
    line = banner(**{**FACTS, "interface": interface, "threads": threads})[1]
    assert line == f"serving polls.wsgi {words}"


def test_an_application_given_as_an_object():
    assert banner(**{**FACTS, "target": ""})[1].startswith("serving the application as WSGI")


def test_this_python_by_default():
    import platform

    facts = {key: value for key, value in FACTS.items() if key != "python"}
    assert f"Python {platform.python_version().split('rc')[0]}" in banner(**facts)[0]
