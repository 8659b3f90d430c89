"""Arguments without effect are refused, and the table of options is covered entirely.

A new option fails here until it is known to have an effect in `Server` and in `serve`, or is
refused there with a reason.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bascule.server
from bascule import effectless
from bascule.effectless import check_serve, check_server
from bascule.errors import UsageError
from bascule.settings import OPTIONS, Settings
from bascule.settings.values import NEED_SUPERVISOR
from bascule.worker.applications import ApplicationSource
from support.certificates import make_certificates

REFUSED_BY_SERVER = {
    *effectless.IN_SERVER,
    *effectless.CHANGE_PROCESS,
    *NEED_SUPERVISOR,
    "workers",
}


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return []


class Watched(Settings):
    """Settings that remember which of them are read by the server, and not by their checks."""

    def __getattribute__(self, name: str) -> Any:
        if name in OPTIONS:
            reader = sys._getframe(1).f_globals["__name__"]
            if reader not in CHECKS:
                read.add(name)
        return super().__getattribute__(name)


CHECKS = ("bascule.settings.checks", "bascule.settings.load", "bascule.effectless")
read: set[str] = set()


@pytest.fixture
def server_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Settings of a server that uses as much as it can at once."""
    certificates = make_certificates(tmp_path)
    monkeypatch.setattr(bascule.server, "Settings", Watched)
    read.clear()
    yield {
        **certificates.settings,
        "ssl_cert_reqs": "optional",
        "ssl_ca_certs": certificates.settings["ssl_certfile"],
        "proxy_protocol": True,
        "warm_up": "/",
        "lifespan": "off",
        "static": {"/static": tmp_path},
        "accel_redirect": {"/protected": tmp_path},
        "listen": "tls+tcp://127.0.0.1:0=support.tcp:echo",
        "tcp_alpn": "mqtt",
    }
    read.clear()


def test_server_reads_every_option_that_it_does_not_refuse(
    server_settings: dict[str, Any], tmp_path: Path
) -> None:
    async def serve(**address: Any) -> None:
        mounts = {"/asgi": asgi}
        async with bascule.Server(wsgi, mounts=mounts, **address, **server_settings):
            pass

    for address in ({"port": 0}, {"uds": tmp_path / "a.sock"}):
        asyncio.run(serve(**address))
    # A TARGET's, and files that are read while the settings are made.
    elsewhere = {"target", "factory", "app_dir", "config", "env_file"}
    assert OPTIONS.keys() - read - elsewhere - REFUSED_BY_SERVER == set()


# Without effect there, or in some calls; all others are read by the worker, the supervisor or the
# start of the process, as with the command line.
REFUSED_BY_SERVE = {
    *effectless.IN_SERVE,
    *effectless.WITHOUT_WORKERS,
}


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_serve_reads_every_option_that_it_does_not_refuse(name: str) -> None:
    """Some module below reads it: a setting that only commands read has no effect in `serve`."""
    root = Path(bascule.server.__file__).parent
    readers = [
        *root.glob("launch.py"),
        *(
            path
            for folder in ("worker", "supervisor", "loop")
            for path in (root / folder).rglob("*.py")
        ),
    ]
    through = {
        "bind": "addresses", "host": "addresses", "port": "addresses", "uds": "addresses",
        "fd": "addresses", "workers": "supervised",
    }  # fmt: skip
    attribute = re.compile(rf"\bsettings\.{through.get(name, name)}\b|\"{name}\"")
    found = any(attribute.search(path.read_text()) for path in readers)
    # Read while the settings are made.
    assert found or name in REFUSED_BY_SERVE or name in ("config", "env_file")


SERVER_ONLY = sorted(REFUSED_BY_SERVER)
SAMPLES: dict[str, Any] = {
    "access_log": True, "control": "a.sock", "group": 0, "health_bind": ":1",
    "log_config": "a.toml", "log_format": "json", "log_level": "debug",
    "loop": "asyncio", "max_requests": 1,
    "max_requests_jitter": 1, "on_worker_exit": "a:b", "on_worker_start": "a:b", "pid": "a.pid",
    "preload": True, "reload": True, "reload_dir": ["."], "shutdown_delay": 1, "timeout": 1,
    "umask": 0, "user": 0, "workers": 2, "workers_lifetime": 1, "workers_max_rss": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", SERVER_ONLY)
def test_server_refuses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").touch()
    with pytest.raises(UsageError, match=rf"^{name} "):
        bascule.Server(asgi, **{name: SAMPLES[name]})


def checked_by_serve(app: Any = asgi, sockets: Any = None, **options: Any) -> None:
    settings = Settings(**options)
    check_serve(settings, options, ApplicationSource(app), sockets)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reload": True}, "reload restarts the process"),
        ({"reload_dir": ["."]}, "reload_dir restarts the process"),
        ({"timeout": 5}, "timeout is for workers"),
        ({"max_requests_jitter": 5}, "max_requests_jitter has no effect without max_requests"),
        (
            {"workers": 2, "max_requests_jitter": 5},
            "max_requests_jitter has no effect without max_requests",
        ),
        ({"factory": True}, "factory is for a TARGET"),
        ({"target": "a:b"}, "target is for a TARGET"),
        ({"app_dir": "/"}, "app_dir is for a TARGET"),
        ({"sockets": [], "port": 80}, "port has no effect together with sockets"),
    ],
)
def test_serve_refuses(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        checked_by_serve(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 5, "workers": 1},
        {"timeout": 5, "preload": True},
        {"max_requests_jitter": 5, "max_requests": 9},
        {"factory": True, "app": None, "target": "a:b"},
        {"app_dir": "/", "mount": ["/a=b:c"]},
        {"app_dir": "/", "on_worker_start": "b:c"},
        {"reload": False, "timeout": 30, "reload_dir": []},
    ],
)
def test_serve_takes(options: dict[str, Any]) -> None:
    checked_by_serve(**options)


def test_a_file_may_have_what_only_the_command_line_uses(tmp_path: Path) -> None:
    file = tmp_path / "bascule.toml"
    file.write_text('log_level = "debug"\n')
    options = {"config": str(file)}
    settings = Settings(config=str(file))
    check_server(settings, options, ApplicationSource(asgi), None)
    file.write_text("workers = 2\n")
    with pytest.raises(UsageError, match="workers needs a supervisor"):
        check_server(Settings(config=str(file)), options, ApplicationSource(asgi), None)
