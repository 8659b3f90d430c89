"""`manage.py serve`: `bascule serve` for the project, with Django's checks before it."""

import argparse
import signal
from pathlib import Path

import pytest
from manage_site import append, body, get, manage, managing, replace

from bascule.django.management.arguments import NOT_HERE, add_settings, typed
from bascule.settings import OPTIONS

SERVE = ("serve", "--port", "0")


def test_the_project_with_flags(shop: Path) -> None:
    append(shop / "shop/settings.py", 'BASCULE = {"THREADS": 3, "HEADER": ["X-Shop: open"]}\n')
    flags = ("--threads", "2", "--header", "X-A: 1", "--header", "X-B: 2", "--no-server-header")
    with managing(shop, *SERVE, *flags) as server:
        assert (
            "serving shop as Django: WSGI in 2 threads, ASGI on the loop, WebSockets by shop.asgi"
        ) in server.output()
        answer = get(server, "/")
        assert answer.body == b"one thread"
        assert (answer.header("x-a"), answer.header("x-b")) == ("1", "2")
        assert (answer.header("x-shop"), answer.header("server")) == (None, None)
        assert body(server, "/async/") == "one loop"
        # Not a file: those are of development.
        assert get(server, "/static/shop/style.css").status == 418
    assert "Starting development server" not in server.output()


def test_the_settings_of_the_project_and_what_is_stronger(shop: Path) -> None:
    append(shop / "shop/settings.py", 'BASCULE = {"THREADS": 3}\n')
    with managing(shop, *SERVE) as server:
        assert "WSGI in 3 threads" in server.output()
    with managing(shop, *SERVE, env={"BASCULE_THREADS": "4"}) as server:
        assert "WSGI in 4 threads" in server.output()
    (shop / "bascule.toml").write_text('target = "elsewhere:app"\ninterface = "wsgi"\n')
    with managing(shop, *SERVE) as server:
        assert "serving shop as WSGI in 3 threads" in server.output()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(shop: Path, number: int) -> None:
    with managing(shop, *SERVE) as server:
        server.signal(number)
        assert server.wait() == 0
    assert "lifespan has ended" in server.output()
    assert "Traceback" not in server.output()


def test_checks_come_first(shop: Path) -> None:
    append(
        shop / "shop/models.py",
        """
        from django.core.checks import Error, register

        @register()
        def always_wrong(app_configs, **kwargs):
            return [Error("nothing is right", id="shop.E001")]
        """,
    )
    done = manage(shop, *SERVE)
    assert done.returncode == 1
    assert "(shop.E001) nothing is right" in done.stderr
    assert "listening" not in done.stderr
    with managing(shop, *SERVE, "--skip-checks") as server:
        assert body(server, "/") == "one thread"


def test_wrong_values_are_said_all_at_once(shop: Path) -> None:
    append(shop / "shop/settings.py", 'BASCULE = {"THRAEDS": 3}\n')
    # One of the checks would say the first by itself.
    done = manage(shop, *SERVE, "--threads", "many", "--skip-checks")
    assert done.returncode == 2
    assert "CommandError: 2 settings are wrong:" in done.stderr
    assert "command line: --threads 'many' is not a whole number" in done.stderr
    assert "shop.settings BASCULE: THRAEDS is not a setting" in done.stderr


@pytest.mark.parametrize(("word", "address"), [("8000", ":8000"), ("a:80", "a:80")])
def test_an_address_without_an_option(shop: Path, word: str, address: str) -> None:
    """As runserver has it."""
    done = manage(shop, "serve", word)
    assert done.returncode == 2
    assert f"'{word}' belongs to no option; to listen there give --bind {address}" in done.stderr


def test_a_project_that_does_not_start(shop: Path) -> None:
    append(shop / "shop/settings.py", 'WSGI_APPLICATION = "shop.broken.application"\n')
    (shop / "shop/broken.py").write_text("1 / 0")
    done = manage(shop, *SERVE, "--skip-checks")
    assert done.returncode == 3
    assert "CommandError: shop.broken could not be loaded" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_reload(shop: Path) -> None:
    with managing(shop, *SERVE, "--reload") as server:
        server.wait_for_output("watching ")
        append(shop / "shop/settings.py", 'BASCULE = {"THREADS": 3}\n')
        server.wait_for_output("WSGI in 3 threads")
        assert body(server, "/") == "one thread"
        assert server.stop() == 0


def test_reload_after_a_syntax_error(shop: Path) -> None:
    with managing(shop, *SERVE, "--reload") as server:
        server.wait_for_output("watching ")
        replace(shop / "shop/views.py", "def index(", "def index(:")
        server.wait_for_output("waiting for a change")
        replace(shop / "shop/views.py", "def index(:", "def index(")
        assert body(server, "/") == "one thread"


def test_help_has_every_setting(shop: Path) -> None:
    done = manage(shop, "serve", "--help-all")
    assert done.returncode == 0, done.stderr
    for name, option in OPTIONS.items():
        assert (f"{option.flag} " in done.stdout.replace(",", " ")) is (name not in NOT_HERE), name
    assert done.stdout.startswith("usage: manage.py serve [options]\n")
    assert "wrong for everything else. [8]" in " ".join(done.stdout.split())


def test_help_begins_with_three_examples_and_is_short(shop: Path) -> None:
    done = manage(shop, "serve", "--help")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(line.startswith("  manage.py serve ") for line in lines[:3])
    assert "usage: manage.py serve [options]" in lines
    assert "--help-all" in done.stdout
    assert "--bind ADDRESS" in done.stdout
    assert "--ws-max-size" not in done.stdout
    assert len(lines) < 70


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - NOT_HERE))
def test_only_what_was_typed_goes_on(name: str) -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    assert typed(vars(parser.parse_args([]))) == {}
    option = OPTIONS[name]
    if option.stands_alone:
        assert typed(vars(parser.parse_args([option.flag]))) == {name: True}
        assert typed(vars(parser.parse_args([option.negation]))) == {name: False}
    elif option.repeats:
        assert typed(vars(parser.parse_args([option.flag, "a", option.flag, "b"]))) == {
            name: ("a", "b")
        }
    else:
        assert typed(vars(parser.parse_args([option.flag, "a"]))) == {name: "a"}
