"""The command line, tried as a new user would: the right commands and the wrong ones."""

import http.client
import json
import re
import socket
import textwrap
from pathlib import Path

import pytest

from bascule.settings import OPTIONS
from support.commands import bascule, started
from support.server import running

WSGI_APP = """
    import os, sys

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [os.environ.get("GREETING", "hello").encode()]

    def modules(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [" ".join(sys.modules).encode()]

    def create_app():
        return application
"""
ASGI_APP = """
    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello from asgi"})
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with two small applications."""
    (tmp_path / "wsgi_site.py").write_text(textwrap.dedent(WSGI_APP))
    (tmp_path / "asgi_site.py").write_text(textwrap.dedent(ASGI_APP))
    return tmp_path


def get(port: int, path: str = "/") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# Several applications


def test_mounts_serve_applications_of_both_kinds(site: Path) -> None:
    mounts = ("--mount", "/api=asgi_site:app", "--mount", "other.example=wsgi_site:modules")
    with running("wsgi_site", *mounts, "--websocket", "asgi_site:app", cwd=site) as server:
        assert get(server.port) == (200, b"hello")
        assert get(server.port, "/api/x") == (200, b"hello from asgi")
        for line in (
            "serving wsgi_site as WSGI in 8 threads",
            "serving asgi_site:app as ASGI 3 at /api",
            "serving wsgi_site:modules as WSGI in 8 threads at other.example",
            "serving asgi_site:app as ASGI 3 for WebSockets",
        ):
            assert line in server.output()


def test_mounts_alone_need_no_target(site: Path) -> None:
    (site / "bascule.toml").write_text('mount = ["/a=asgi_site:app", "/b=wsgi_site"]')
    with running("--no-access-log", cwd=site) as server:
        assert get(server.port, "/a") == (200, b"hello from asgi")
        assert get(server.port, "/b") == (200, b"hello")
        assert get(server.port, "/c")[0] == 404


def test_a_mount_that_names_nothing_is_explained(site: Path) -> None:
    done = bascule("serve", "wsgi_site", "--mount", "/api=asgi_sit:app", cwd=site)
    assert done.returncode == 2
    assert "asgi_sit" in done.stderr
    assert "Traceback" not in done.stderr
    done = bascule("serve", "wsgi_site", "--mount", "/api", cwd=site)
    assert done.returncode == 2
    assert "give WHERE=TARGET, such as /api=api.asgi:app" in done.stderr


# Asking


def test_version(tmp_path: Path) -> None:
    done = bascule("--version", cwd=tmp_path)
    speed = r"\((compiled|pure Python)\)"
    python = r"\w+ 3\.\d+\.\S+"
    loop = r"(uvloop \S+|asyncio)"
    assert re.fullmatch(rf"bascule \d+\.\d+\.\d+ {speed} {python} {loop}\n", done.stdout)
    assert done.returncode == 0


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"]])
def test_help(tmp_path: Path, args: list[str]) -> None:
    done = bascule(*args, cwd=tmp_path)
    assert done.returncode == 0
    for command in ("serve", "dev", "config"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize("command", ["serve", "dev", "config"])
def test_help_of_a_command_has_every_option_under_its_heading(
    tmp_path: Path, command: str
) -> None:
    done = bascule(command, "--help-all", cwd=tmp_path)
    assert done.returncode == 0
    position = 0
    heading = ""
    for option in OPTIONS.values():
        if option.name == "target":
            continue
        if option.section != heading:
            heading = option.section
            position = done.stdout.index(f"\n{heading}:\n", position)
        position = done.stdout.index(f"{option.flag} ", position)


@pytest.mark.parametrize("command", [[], ["serve"], ["dev"], ["config"]])
def test_help_begins_with_three_examples_and_is_short(tmp_path: Path, command: list[str]) -> None:
    lines = bascule(*command, "--help", cwd=tmp_path).stdout.splitlines()
    assert lines[1] == lines[5] == ""
    assert all(line.startswith("  bascule ") for line in lines[2:5])
    assert lines[6].startswith(" ".join(["Usage: bascule", *command]))
    assert any("--help-all" in line for line in lines[7:])
    # As people see it: on a terminal of the usual size with little to scroll.
    assert len(lines) < 45
    assert max(map(len, lines)) <= 80


def test_help_all_of_the_program_is_that_of_serve(tmp_path: Path) -> None:
    whole = bascule("--help-all", cwd=tmp_path)
    assert whole.returncode == 0
    assert whole.stdout == bascule("serve", "--help-all", cwd=tmp_path).stdout


def test_help_shows_defaults(tmp_path: Path) -> None:
    serve = " ".join(bascule("serve", "--help-all", cwd=tmp_path).stdout.split())
    dev = " ".join(bascule("dev", "--help-all", cwd=tmp_path).stdout.split())
    assert "How long a connection may stay idle between requests. [75]" in serve
    assert "Restart when a file changes. Not for production. [off]" in serve
    assert "Restart when a file changes. Not for production. [on]" in dev


# Configuration


def test_config_shows_value_and_source(site: Path) -> None:
    (site / "bascule.toml").write_text("# ours\nthreads = 3\nenv-file = 'my.env'\n")
    (site / "my.env").write_text("BASCULE_BACKLOG=7\n")
    env = {"BASCULE_LOG_LEVEL": "debug", "PORT": "8080"}
    done = bascule("config", "wsgi_site", "--no-access-log", cwd=site, env=env)
    assert done.returncode == 0
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()}
    assert list(rows) == list(OPTIONS)
    assert rows["target"] == ["wsgi_site", "command line"]
    assert rows["access_log"] == ["off", "command line"]
    assert rows["log_level"] == ["debug", "environment BASCULE_LOG_LEVEL"]
    assert rows["port"] == ["8080", "environment PORT"]
    assert rows["host"] == ["0.0.0.0", "environment PORT"]
    assert rows["backlog"] == ["7", "my.env line 1"]
    assert rows["threads"] == ["3", "bascule.toml line 2"]
    assert rows["timeout_write"] == ["60", "default"]
    assert rows["bind"] == ["-", "default"]


def test_config_is_aligned(site: Path) -> None:
    lines = bascule("config", cwd=site).stdout.splitlines()
    # Each setting has one line, so a list that is long makes its own longer.
    usual = [line for line in lines if not line.startswith("asgi_extensions ")]
    assert len({line.rindex("default") for line in usual}) == 1


def test_config_as_json(site: Path) -> None:
    done = bascule("config", "--json", "-b", "unix:a", "-b", ":1", cwd=site)
    values = json.loads(done.stdout)
    assert list(values) == list(OPTIONS)
    assert values["bind"] == {"value": ["unix:a", "0.0.0.0:1"], "source": "command line"}
    assert values["limit_request_body"] == {"value": None, "source": "default"}
    assert values["timeout_keep_alive"] == {"value": 75.0, "source": "default"}


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_config_shows_no_secret(site: Path, form: list[str]) -> None:
    (site / "cert.pem").write_text("")
    secret = {"BASCULE_SSL_KEYFILE_PASSWORD": "geheim"}
    done = bascule("config", "--ssl-certfile", "cert.pem", *form, cwd=site, env=secret)
    assert done.returncode == 0
    assert "********" in done.stdout
    assert "geheim" not in done.stdout


# Mistakes


def refused(*args: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = bascule(*args, cwd=cwd, env=env)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["serve", "--thread", "3"], "'--threads'"),
        (["serve", "x", "y"], "unexpected extra argument (y)"),
        (["serve", "x", "y", "-w", "4"], "unexpected extra argument (y)\n"),
        (["serve", "x", "8000"], "argument (8000); to listen there give --bind :8000"),
        (["serve", "x", "a:80"], "argument (a:80); to listen there give --bind a:80"),
        (["serve", "x", "-p", "9250"], "--pid '9250' looks like an address"),
        (["serve", "--threads"], "'--threads' requires an argument"),
        (["serve", "--reload=yes"], "'--reload' does not take a value"),
        (["serv", "x"], "there is no command 'serv'; did you mean serve?"),
        (
            ["mysite.wsgi"],
            "there is no command 'mysite.wsgi'; did you mean bascule serve mysite.wsgi?",
        ),
        (["a:b"], "did you mean bascule serve a:b?"),
        (["zzzzz"], "there is no command 'zzzzz'\n"),
        (["--versoin"], "'--version'"),
    ],
)
def test_wrong_command_line(tmp_path: Path, args: list[str], text: str) -> None:
    message = refused(*args, cwd=tmp_path)
    assert text in message


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_target_is_missing(tmp_path: Path, command: str) -> None:
    assert refused(command, cwd=tmp_path).startswith("bascule: TARGET is missing: give module:")


def test_one_wrong_setting_is_one_line(site: Path) -> None:
    message = refused("serve", "wsgi_site", "--port", "http", cwd=site)
    assert message == (
        "bascule: command line: --port 'http' is not a whole number; give 0 to 65535\n"
    )


def test_all_wrong_settings_at_once(site: Path) -> None:
    (site / "pyproject.toml").write_text("[tool.bascule]\nthreeds = 1\nloop = 'quick'\n")
    message = refused(
        "serve", "wsgi_site", "--uds", "a", "--fd", "x", cwd=site, env={"BASCULE_PRT": "1"}
    )
    assert message.splitlines() == [
        "bascule: 4 settings are wrong:",
        "  environment: BASCULE_PRT is not a setting; did you mean BASCULE_PORT?",
        "  command line: --fd 'x' is not a whole number; give 0 or more, or none",
        "  pyproject.toml line 2: threeds is not a setting; did you mean threads?",
        "  pyproject.toml line 3: loop 'quick' is not one of the choices; "
        "give auto or uvloop or asyncio",
    ]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("wsgi_sight", "there is no module 'wsgi_sight'"),
        ("wsgi_site.py", "give its module: wsgi_site"),
        ("wsgi_site:aplication", "did you mean wsgi_site:application?"),
        ("wsgi_site:create_app", "add --factory: wsgi_site:create_app --factory"),
        ("wsgi_site:os", "wsgi_site:os is a module; give os"),
    ],
)
def test_wrong_target(site: Path, target: str, text: str) -> None:
    message = refused("serve", target, "--port", "0", cwd=site)
    assert message.startswith("bascule: ")
    assert text in message


def test_application_that_cannot_be_told(site: Path) -> None:
    (site / "odd.py").write_text("def app(a, b, c, d): ...\n")
    assert "say which: --interface" in refused("serve", "odd", "--port", "0", cwd=site)


def test_application_that_does_not_start(site: Path) -> None:
    (site / "broken.py").write_text("def load():\n    return 1 / 0\n\nload()\n")
    done = bascule("serve", "broken", "--port", "0", cwd=site)
    assert done.returncode == 3
    assert "broken could not be loaded; its code raised ZeroDivisionError" in done.stderr
    assert "return 1 / 0" in done.stderr
    assert done.stderr.count("  File ") == 2


def test_address_in_use(site: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused("serve", "wsgi_site", "--port", str(port), cwd=site)
    assert f"cannot listen on 127.0.0.1:{port}" in message


def test_sockets_of_a_supervisor_that_is_not_there(site: Path) -> None:
    env = {"BASCULE_INHERITED_SOCKETS": "99"}
    message = refused("serve", "wsgi_site", "--port", "0", cwd=site, env=env)
    assert "BASCULE_INHERITED_SOCKETS='99' names no open sockets" in message


# Serving


@pytest.mark.parametrize(
    ("target", "args", "body"),
    [
        ("wsgi_site", [], b"hello"),
        ("wsgi_site:application", ["--threads", "0"], b"hello"),
        ("wsgi_site:create_app", ["--factory"], b"hello"),
        ("asgi_site", [], b"hello from asgi"),
        ("asgi_site:app", ["--interface", "asgi"], b"hello from asgi"),
        ("asgi_site:app", ["--loop", "asyncio", "--no-access-log"], b"hello from asgi"),
    ],
)
def test_serve(site: Path, target: str, args: list[str], body: bytes) -> None:
    with running(target, *args, cwd=site) as server:
        assert get(server.port) == (200, body)
        assert server.stop() == 0
    assert "Traceback" not in server.output()


def test_serve_on_a_port_of_its_own(site: Path) -> None:
    with started("serve", "wsgi_site", "--port", "0", cwd=site) as server:
        output = server.wait_for_output("listening on http://127.0.0.1:")
        (port,) = re.findall(r"listening on http://127\.0\.0\.1:(\d+)\n", output)
        assert get(int(port)) == (200, b"hello")
        assert server.stop() == 0


def test_serve_what_the_settings_file_says(site: Path) -> None:
    (site / "pyproject.toml").write_text(
        "[tool.bascule]\ntarget = 'wsgi_site:create_app'\nfactory = true\nport = 0\n"
    )
    with started("serve", cwd=site) as server:
        output = server.wait_for_output("listening on http://127.0.0.1:")
        assert "serving wsgi_site:create_app as WSGI in 8 threads" in output
        assert server.stop() == 0


def test_serve_with_a_file_of_variables(site: Path) -> None:
    (site / ".env").write_text("GREETING=moin\n")
    with running("wsgi_site", "--env-file", ".env", cwd=site) as server:
        assert get(server.port) == (200, b"moin")


def test_serve_what_another_directory_has(site: Path) -> None:
    (site / "sub").mkdir()
    with running("wsgi_site", "--app-dir", "..", cwd=site / "sub") as server:
        assert get(server.port) == (200, b"hello")


def test_serving_loads_nothing_that_is_not_used(site: Path) -> None:
    with running("wsgi_site:modules", cwd=site) as server:
        loaded = set(get(server.port)[1].decode().split())
    assert loaded.isdisjoint({"watchfiles", "tomllib", "dotenv", "difflib", "json"})


@pytest.mark.parametrize("args", [(), ("--workers", "1"), ("--preload",)])
def test_serving_loads_nothing_for_development(site: Path, args: tuple[str, ...]) -> None:
    with running("wsgi_site:modules", *args, cwd=site) as server:
        loaded = get(server.port)[1].decode().split()
    assert "bascule.worker.run" in loaded
    assert [name for name in loaded if name.startswith("bascule.development")] == []
