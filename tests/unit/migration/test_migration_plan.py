"""Settings of other servers become lines that Bascule loads, and remarks."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bascule.migration.migrate import migrated
from bascule.migration.plan import Plan
from bascule.settings import load_settings

PROCESSORS = os.cpu_count() or 1


def of_command(command: str) -> tuple[dict[str, Any], Plan, str]:
    """The settings that a command becomes, as Bascule plain values."""
    text, plan = migrated([], [command], "", False)
    return {name: line.value for name, line in plan.lines.items()}, plan, text


def said(plan: Plan) -> str:
    return "\n".join(f"{one.place}: {one.text}: {one.says}" for one in plan.remarks)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "gunicorn -w 4 -b 0.0.0.0:80 -b unix:/run/x.sock site.wsgi",
            {
                "target": "site.wsgi",
                "workers": 4,
                "bind": ["0.0.0.0:80", "unix:/run/x.sock"],
            },
        ),
        ("gunicorn -t 60 a", {"target": "a", "request_timeout": 60}),
        ("gunicorn -t 60 -k gthread a", {"target": "a", "timeout": 60}),
        ("gunicorn -t 60 --threads 4 a", {"target": "a", "timeout": 60, "threads": 4}),
        ("gunicorn -t 0 a", {"target": "a", "timeout": "none"}),
        ("gunicorn -m 007 'a:b()'", {"target": "a:b", "factory": True, "umask": "0007"}),
        ("gunicorn -m 18 a", {"target": "a", "umask": "0022"}),
        ("gunicorn -b 0.0.0.0:${PORT:-80} a", {"target": "a", "host": "0.0.0.0", "port": 80}),
        ("gunicorn --access-logfile - a", {"target": "a", "access_log": True}),
        ("gunicorn --limit-request-field_size 0 a", {"target": "a"}),
        ("gunicorn --forwarded-allow-ips='*' a", {"target": "a", "forwarded_allow_ips": ["*"]}),
        ("gunicorn --graceful-timeout 45.5 a", {"target": "a", "timeout_graceful_shutdown": 45.5}),
        ("gunicorn -w $(nproc) a", {"target": "a", "workers": PROCESSORS}),
        ("WEB_CONCURRENCY=3 gunicorn a", {"target": "a", "workers": 3}),
        (
            "GUNICORN_CMD_ARGS='-w 2 --preload' gunicorn -w 3 a",
            {"target": "a", "workers": 3, "preload": True},
        ),
        (
            "uvicorn m:app --host 0.0.0.0 --port 80",
            {"target": "m:app", "host": "0.0.0.0", "port": 80},
        ),
        ("uvicorn m:app --uds /run/x --port 80", {"target": "m:app", "uds": "/run/x"}),
        ("uvicorn m:app --fd 3 --uds /run/x", {"target": "m:app", "fd": 3}),
        (
            "uvicorn m:app --loop none --ws none --http h11",
            {"target": "m:app", "loop": "asyncio", "ws": "none"},
        ),
        ("uvicorn m:app --log-level trace", {"target": "m:app", "log_level": "debug"}),
        (
            "uvicorn m:app --header 'X-A: b' --header X-B:c",
            {"target": "m:app", "header": ["X-A: b", "X-B: c"]},
        ),
        (
            "UVICORN_WORKERS=2 uvicorn m:create --factory",
            {"target": "m:create", "factory": True, "workers": 2},
        ),
        ("uvicorn m:app --ws-ping-interval 0", {"target": "m:app", "ws_ping_interval": "none"}),
    ],
)
def test_values(command: str, expected: Mapping[str, object]) -> None:
    values, _, _ = of_command(command)
    assert values == expected


@pytest.mark.parametrize(
    ("command", "remark"),
    [
        ("gunicorn -k gevent a", "Bascule has no green threads"),
        ("gunicorn -k uvicorn.workers.UvicornWorker a", "detects whether"),
        ("gunicorn --daemon a", "stays in the foreground"),
        ("gunicorn -b :$PORT a", "Bascule reads PORT itself"),
        ("gunicorn -w $WEB_CONCURRENCY a", "Bascule reads WEB_CONCURRENCY itself"),
        ("gunicorn -w $N a", "set BASCULE_WORKERS where Bascule is started"),
        ("gunicorn -w many a", "The value is not a number"),
        ("gunicorn -w 999 a", "Bascule's `workers` refuses 999"),
        ("gunicorn --keyfile k a", "Bascule refuses `ssl_keyfile` here"),
        ("gunicorn -b :80 -b :80 -w 1 --unknown a", "no such option"),
        ("gunicorn -c conf.py a", "The file is not here"),
        ("gunicorn 'a:b(1)'", "calls a factory without arguments"),
        ("uvicorn a:b --uds x --host y", "Uvicorn listens on the socket alone"),
        ("GUNICORN_CMD_ARGS=-w2 gunicorn -w 3 a", "command line replaces it: -w 3"),
    ],
)
def test_remarks(command: str, remark: str) -> None:
    _, plan, _ = of_command(command)
    assert remark in said(plan)


def test_the_output_is_loaded_by_bascule(tmp_path: Path) -> None:
    certificate = tmp_path / "it's a pem"
    certificate.write_text("")
    _, _, text = of_command(
        f'gunicorn -w 2 --threads 3 -b [::1]:80 --certfile "{certificate}" '
        "--user www-data --umask 027 --pid /run/x.pid -t 5 -e A=b --proxy-protocol on a.b:c"
    )
    path = tmp_path / "bascule.toml"
    path.write_text(text)
    settings = load_settings({"config": str(path)}, environ={})
    assert settings.target == "a.b:c"
    assert settings.workers == 2
    assert settings.threads == 3
    assert settings.ssl_certfile == str(certificate)
    assert settings.umask == 0o27
    assert settings.proxy_protocol is True
    assert [str(one) for one in settings.bind] == ["[::1]:80"]


def test_each_line_says_where_it_comes_from() -> None:
    _, _, text = of_command("gunicorn -w 2 a")
    assert "workers = 2  # command line: -w 2\n" in text
    assert 'target = "a"  # command line: a\n' in text


def test_a_file_that_is_not_here_is_noted_and_kept() -> None:
    values, _, text = of_command("uvicorn a --ssl-certfile /no/such.pem")
    assert values["ssl_certfile"] == "/no/such.pem"
    assert "not on this machine" in text


def test_comments_have_no_control_characters() -> None:
    _, _, text = of_command("gunicorn --name 'a\x07b\x00' a")
    assert "\x07" not in text
    assert "\x00" not in text


def test_two_servers() -> None:
    text, plan = migrated(
        [], ["gunicorn -b :80 a.wsgi", "uvicorn a.asgi:x --uds /run/x"], "", False
    )
    assert {name: line.value for name, line in plan.lines.items()} == {
        "target": "a.wsgi",
        "bind": ["0.0.0.0:80"],
    }
    assert "These are Gunicorn and Uvicorn" in text
    assert "`target` is taken from command line: a.wsgi" in said(plan)
    assert "Another source says where to listen: `bind` is kept" in said(plan)


def test_defaults_that_differ_are_named_unless_the_setting_is_given() -> None:
    _, plan, text = of_command("gunicorn --keep-alive 3 a")
    assert "Gunicorn runs one request at a time" in text
    assert not any("idle connection" in one for one in plan.defaults["Gunicorn"])
