"""The Settings object: attributes, addresses, provenance; and that it cannot be changed."""

import ast
import subprocess
import sys
from typing import Any

import pytest

from bascule.address import Address, FDAddress, TCPAddress, UnixAddress
from bascule.settings import OPTIONS, Settings, load_settings
from bascule.settings.options import Declared
from bascule.settings.values import Values


def test_every_option_is_an_attribute_with_its_default() -> None:
    settings = Settings()
    assert {name: getattr(settings, name) for name in OPTIONS} == {
        name: option.default for name, option in OPTIONS.items()
    }


def test_every_default_is_a_value_of_its_kind() -> None:
    for option in OPTIONS.values():
        assert option.kind.parse(option.kind.plain(option.default)) == option.default


def test_an_option_can_be_had_from_the_class() -> None:
    assert Declared.threads is OPTIONS["threads"]
    assert Declared.threads.flag == "--threads"
    assert Declared.limit_request_head.variable == "BASCULE_LIMIT_REQUEST_HEAD"


def test_every_limit_and_deadline_has_a_reason() -> None:
    for option in OPTIONS.values():
        if option.name.startswith(("limit_", "timeout_", "backlog")):
            assert option.reason, option.name


@pytest.mark.parametrize(
    ("options", "addresses"),
    [
        ({}, (TCPAddress("127.0.0.1", 8000),)),
        ({"host": "::1", "port": 1}, (TCPAddress("::1", 1),)),
        ({"uds": "a.sock"}, (UnixAddress("a.sock"),)),
        ({"fd": 0}, (FDAddress(0),)),
        ({"bind": ["a:1", "unix:b"]}, (TCPAddress("a", 1), UnixAddress("b"))),
    ],
)
def test_addresses(options: dict[str, Any], addresses: tuple[Address, ...]) -> None:
    assert Settings(**options).addresses == addresses


def test_tls_is_used_with_a_certificate() -> None:
    assert not Settings().uses_tls
    assert Settings.holding(Values({"ssl_certfile": "a.pem"})).uses_tls


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(AttributeError, match=r"make new ones with Settings\(threads=...\)"):
        settings.threads = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="cannot be changed"):
        del settings.threads
    settings.app_environment["A"] = "b"
    assert settings.app_environment == {}


def test_equal_by_value() -> None:
    assert Settings(threads=8) == Settings()
    assert Settings(threads=7) != Settings()
    assert Settings() != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(Settings())


def test_repr_shows_what_was_said_and_no_secret() -> None:
    assert repr(Settings()) == "<Settings>"
    settings = Settings(threads=3, debug=True)
    assert repr(settings) == "<Settings threads=3 debug=on>"
    password = OPTIONS["ssl_keyfile_password"]
    assert password.show("geheim") == "********"
    assert password.show(None) == "none"


def test_importing_settings_loads_nothing_heavy() -> None:
    heavy = {"click", "tomllib", "dotenv", "json", "ssl", "asyncio", "watchfiles", "difflib"}
    code = (
        "import sys; from bascule import Settings; Settings(threads=3);print(sorted(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert heavy.isdisjoint(ast.literal_eval(loaded.stdout.decode()))


@pytest.mark.parametrize("said", [{"bind": [":80"]}, {"uds": "a"}, {"fd": 3}, {"port": 8000}])
def test_somebody_says_where_to_listen(said: dict[str, Any]) -> None:
    assert Settings(**said).says_where_to_listen


def test_nobody_says_where_to_listen() -> None:
    assert not Settings(threads=2).says_where_to_listen
    development = load_settings(environ={}, preset={"host": "127.0.0.1"}, need_target=False)
    assert not development.says_where_to_listen
    platform = load_settings(environ={"PORT": "80"}, need_target=False)
    assert platform.says_where_to_listen


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        ({}, None),
        ({"workers": 3}, 3),
        ({"preload": True}, 1),
        ({"preload": True, "workers": 3}, 3),
        ({"preload": True, "reload": True}, None),
    ],
)
def test_what_only_a_supervisor_can_do_asks_for_one(options: dict[str, Any], workers: int) -> None:
    assert Settings(**options).supervised == workers
