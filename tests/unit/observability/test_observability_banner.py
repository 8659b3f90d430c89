"""The lines at start-up."""

import pytest

from bascule.observability.banner import BothSides, banner
from bascule.version import __version__

FACTS = {
    "applications": [("polls.wsgi", "wsgi", "")],
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
        ("asgi3", 8, "as ASGI 3"),
        ("asgi2", 8, "as ASGI 2"),
        ("wsgi", 1, "as WSGI in 1 thread"),
        ("wsgi", 0, "as WSGI on the event loop's thread, one request at a time"),
        ("other", 8, "as other"),
    ],
)
def test_how_the_application_is_called(interface, threads, words):
    applications = [("polls.wsgi", interface, "")]
    line = banner(**{**FACTS, "applications": applications, "threads": threads})[1]
    assert line == f"serving polls.wsgi {words}"


def test_an_application_given_as_an_object():
    lines = banner(**{**FACTS, "applications": [("", "wsgi", "")]})
    assert lines[1].startswith("serving the application as WSGI")


def test_several_applications_and_where_they_are():
    applications = [
        ("polls.wsgi", "wsgi", ""),
        ("api:app", "asgi3", "at /api"),
        ("chat.asgi", "asgi3", "for WebSockets"),
    ]
    assert banner(**{**FACTS, "applications": applications})[1:4] == [
        "serving polls.wsgi as WSGI in 8 threads",
        "serving api:app as ASGI 3 at /api",
        "serving chat.asgi as ASGI 3 for WebSockets",
    ]


@pytest.mark.parametrize(
    ("websockets", "threads", "place", "line"),
    [
        (
            "mysite.asgi",
            8,
            "",
            "serving mysite as Django: WSGI in 8 threads, ASGI on the loop, "
            "WebSockets by mysite.asgi",
        ),
        ("", 1, "at /x", "serving mysite at /x as Django: WSGI in 1 thread, ASGI on the loop"),
    ],
)
def test_a_project_with_both_sides(websockets, threads, place, line):
    applications = [("mysite", BothSides("Django", websockets), place)]
    assert banner(**{**FACTS, "applications": applications, "threads": threads})[1] == line


def test_this_python_by_default():
    import platform

    facts = {key: value for key, value in FACTS.items() if key != "python"}
    assert f"Python {platform.python_version().split('rc')[0]}" in banner(**facts)[0]
