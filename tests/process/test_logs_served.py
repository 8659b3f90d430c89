"""The output of a server: its logs, its own header fields, and no files."""

import json
import os
import re
import socket
import subprocess
import sys
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from support.commands import clean_environment, started
from support.http import RawClient, exchange, raw_exchange
from support.server import running

APPS = Path(__file__).parent / "apps"

ACCESS_LINE = re.compile(
    r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d (127\.0\.0\.1:\d+) - "([^"\\]|\\.)*" '
    r"\d{3} \d+ \d+\.\d+ms$"
)


def access_lines(output):
    return [line for line in output.splitlines() if ACCESS_LINE.match(line)]


# The server's own log.


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("process_asgi:app",), "serving process_asgi:app as ASGI 3"),
        (("process_wsgi",), "serving process_wsgi as WSGI in 8 threads"),
        (("process_wsgi", "--threads", "1"), "as WSGI in 1 thread\n"),
        (("process_wsgi", "--threads", "0"), "as WSGI on the event loop's thread"),
    ],
)
def test_the_banner_says_what_is_served_and_where(args, says):
    with running(*args, cwd=APPS) as server:
        output = server.wait_for_output("listening on")
        assert f"listening on http://127.0.0.1:{server.port}\n" in server.wait_for_output("\n")
        assert says in output
        assert f"pid {server.process.pid}" in output
        assert server.stop() == 0
        output = server.output()
    assert output.index("stopping") < output.index("stopped")


@pytest.mark.parametrize("app", ["process_asgi:app", "process_wsgi"])
def test_what_the_application_raises_is_logged_with_the_request(app):
    with running(app, cwd=APPS) as server:
        assert exchange(server.port, "GET", "/fail").status == 500
        assert exchange(server.port, "GET", "/").status == 200
        assert server.stop() == 0
        output = server.output()
    assert output.count("Traceback") == 1
    assert "ZeroDivisionError: the application's own" in output
    assert re.search(r"ERROR .*GET /fail", output)


def test_the_log_level_is_obeyed():
    with running("process_asgi:app", "--log-level", "error", cwd=APPS) as server:
        assert exchange(server.port, "GET", "/fail").status == 500
        assert raw_exchange(server.port, b"nonsense\r\n\r\n")[0].status == 400
        assert server.stop() == 0
        output = server.output()
    assert "INFO" not in output
    assert "WARNING" not in output
    assert output.count("ERROR") == 1


def test_a_refused_client_is_one_line_of_warning_however_often_it_comes_back():
    with running("process_wsgi", cwd=APPS) as server:
        for _ in range(50):
            assert raw_exchange(server.port, b"nonsense\r\n\r\n")[0].status == 400
        assert server.stop() == 0
        output = server.output()
    refused = [line for line in output.splitlines() if "WARNING" in line]
    assert 1 <= len(refused) <= 2, output
    assert "400" in refused[0]


def test_bytes_of_a_refused_request_are_not_let_loose_on_the_terminal():
    with running("process_wsgi", cwd=APPS) as server:
        assert raw_exchange(server.port, b"GET /\x1b[2J HTTP/1.1\r\n\r\n")[0].status == 400
        assert raw_exchange(server.port, b"\x1b[31m / HTTP/1.1\r\n\r\n")[0].status == 400
        assert server.stop() == 0
        assert "\x1b" not in server.output()


# The access log.


@pytest.mark.parametrize(
    "args", [("process_asgi:app",), ("process_wsgi",), ("process_wsgi", "--threads", "0")]
)
def test_each_request_is_one_line(args):
    with running(*args, cwd=APPS) as server:
        assert exchange(server.port, "GET", "/one?a=b").status == 200
        assert exchange(server.port, "HEAD", "/two").status == 200
        assert exchange(server.port, "POST", "/echo", body=b"x" * 1000).status == 200
        assert exchange(server.port, "GET", "/fail").status == 500
        assert len(raw_exchange(server.port, b"GET /0 HTTP/1.0\r\n\r\n")) == 1
        assert server.stop() == 0
        lines = access_lines(server.output())
    assert [line.partition(" - ")[2].rpartition(" ")[0] for line in lines] == [
        '"GET /one?a=b HTTP/1.1" 200 15',
        '"HEAD /two HTTP/1.1" 200 0',
        '"POST /echo HTTP/1.1" 200 1000',
        '"GET /fail HTTP/1.1" 500 21',
        '"GET /0 HTTP/1.0" 200 15',
    ]


@pytest.mark.parametrize("args", [("process_asgi:app",), ("process_wsgi",)])
def test_a_request_that_is_refused_by_its_head_is_one_line_too(args):
    with running(*args, cwd=APPS) as server:
        raw_exchange(server.port, b"nonsense\r\n\r\n")
        raw_exchange(server.port, b'GET /"\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n')
        raw_exchange(server.port, b"GET /two-hosts HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        assert server.stop() == 0
        lines = access_lines(server.output())
    assert [line.partition(" - ")[2].rpartition('" ')[0] for line in lines] == [
        '"- - HTTP/-',
        r'"GET /\"\x1b[2J HTTP/1.1',
        '"GET /two-hosts HTTP/1.1',
    ]
    assert all(re.search(r'" 400 \d+ 0\.0ms$', line) for line in lines), lines


def test_a_line_names_the_client_that_asked():
    with running("process_wsgi", cwd=APPS) as server:
        with RawClient(server.port) as client:
            host, port = client.sock.getsockname()
            client.request("GET", "/")
            client.read_response()
            server.wait_for_output(f"{host}:{port} - ")
        assert server.stop() == 0


def test_a_line_appears_while_the_server_runs():
    with running("process_wsgi", cwd=APPS) as server:
        assert exchange(server.port, "GET", "/soon").status == 200
        server.wait_for_output('"GET /soon HTTP/1.1" 200')
        assert server.stop() == 0


def test_json_lines():
    with running("process_asgi:app", "--log-format", "json", cwd=APPS) as server:
        assert exchange(server.port, "GET", '/a"b\\c?d').status == 200
        assert exchange(server.port, "GET", "/fail").status == 500
        assert server.stop() == 0
        output = server.output()
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    first, second = (line for line in lines if "status" in line)
    assert (first["method"], first["target"], first["status"]) == ("GET", '/a"b\\c?d', 200)
    assert (first["http_version"], first["bytes"]) == ("1.1", 15)
    assert first["client"].startswith("127.0.0.1:")
    assert 0 <= first["duration_ms"] < 10_000
    assert second["status"] == 500
    (error,) = (line for line in lines if line.get("level") == "error")
    assert "ZeroDivisionError" in error["exception"]
    rest = [line for line in output.splitlines() if not line.startswith("{")]
    assert rest == ["lifespan.startup seen", "lifespan.shutdown seen"]


def test_a_target_cannot_forge_a_line():
    forged = '/" 200 1 0.1ms'.replace(" ", "%20") + '"\\'
    with running("process_wsgi", cwd=APPS) as server:
        assert exchange(server.port, "GET", forged).status == 200
        assert server.stop() == 0
        (line,) = access_lines(server.output())
    assert '"GET /\\"%20200%201%200.1ms\\"\\\\ HTTP/1.1" 200' in line


def test_no_access_log():
    with running("process_wsgi", "--no-access-log", cwd=APPS) as server:
        assert exchange(server.port, "GET", "/").status == 200
        assert exchange(server.port, "GET", "/fail").status == 500
        assert server.stop() == 0
        output = server.output()
    assert '"GET' not in output
    assert "Traceback" in output


def test_the_access_log_goes_to_standard_output_and_the_rest_to_standard_error():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = start_with_pipes(listener, "process_wsgi")
        assert exchange(port, "GET", "/here").status == 200
        assert exchange(port, "GET", "/fail").status == 500
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(access_lines(out)) == len(out.splitlines()) == 2
    assert '"GET' not in err
    assert "listening on" in err
    assert "ZeroDivisionError" in err


def start_with_pipes(listener, *args):
    return subprocess.Popen(
        [sys.executable, "-m", "bascule", "serve", *args, "--fd", str(listener.fileno())],
        cwd=APPS,
        env=clean_environment(),
        pass_fds=[listener.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("reader", ["asleep", "gone"])
def test_a_log_that_nobody_reads_stops_no_request(reader):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = start_with_pipes(listener, "process_wsgi")
        if reader == "gone":
            process.stdout.close()
    try:
        with RawClient(port) as client:
            # More lines than any pipe holds: 64 KiB, and each is longer than its target.
            for _ in range(40):
                for _ in range(50):
                    client.request("GET", "/" + "x" * 200)
                for _ in range(50):
                    assert client.read_response().status == 200
        process.terminate()
        err = process.stderr.read()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    assert "access log cannot be written" in err
    assert "Traceback" not in err


# --log-config.


@pytest.mark.parametrize("ending", ["json", "toml", "ini"])
def test_a_log_config_is_obeyed(tmp_path, ending):
    path = tmp_path / f"logging.{ending}"
    path.write_text(LOG_CONFIGS[ending])
    with running("process_asgi:app", "--log-config", str(path), cwd=APPS) as server:
        assert exchange(server.port, "GET", "/configured").status == 200
        assert exchange(server.port, "GET", "/fail").status == 500
        assert server.stop() == 0
        output = server.output()
    assert "OURS bascule INFO listening on" in output
    assert re.search(r'OURS bascule\.access INFO .*"GET /configured HTTP/1\.1" 200 15', output)
    assert "OURS bascule.asgi ERROR" in output
    assert access_lines(output) == []


LOG_CONFIGS = {
    "json": json.dumps(
        {
            "formatters": {"ours": {"format": "OURS %(name)s %(levelname)s %(message)s"}},
            "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "ours"}},
            "loggers": {
                "bascule": {"handlers": ["out"], "level": "INFO"},
                "bascule.access": {"level": "INFO"},
            },
        }
    ),
    "toml": """
[formatters.ours]
format = "OURS %(name)s %(levelname)s %(message)s"
[handlers.out]
class = "logging.StreamHandler"
formatter = "ours"
[loggers.bascule]
handlers = ["out"]
level = "INFO"
[loggers."bascule.access"]
level = "INFO"
""",
    "ini": """
[loggers]
keys = root,access
[handlers]
keys = out
[formatters]
keys = ours
[logger_root]
level = INFO
handlers = out
[logger_access]
level = INFO
handlers =
qualname = bascule.access
[handler_out]
class = StreamHandler
args = ()
formatter = ours
[formatter_ours]
format = OURS %(name)s %(levelname)s %(message)s
""",
}


def test_a_log_config_that_is_wrong_ends_the_start(tmp_path):
    path = tmp_path / "logging.json"
    path.write_text('{"handlers": {"out": {"class": "logging.NoSuchHandler"}}}')
    with running("process_wsgi", "--log-config", str(path), cwd=APPS) as server:
        assert server.wait() == 2
        output = server.output()
    assert str(path) in output
    assert "NoSuchHandler" in output
    assert "Traceback" not in output


# Nothing on the disk.


def everything_below(folder):
    return {
        path.relative_to(folder): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("app", ["process_asgi:app", "process_wsgi"])
def test_nothing_is_written_into_the_working_directory_or_for_a_while(tmp_path, app):
    """Also with bodies of any size; Python's own __pycache__ is switched off."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    for name in ("process_asgi.py", "process_wsgi.py"):
        (home / name).write_bytes((APPS / name).read_bytes())
    before = everything_below(tmp_path)
    env = {"TMPDIR": str(temporary), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    with running(app, cwd=home, env=env) as server:
        body = b"x" * (3 << 20)
        assert exchange(server.port, "POST", "/echo", body=body).body == body
        assert exchange(server.port, "GET", "/fail").status == 500
        assert server.stop() == 0
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("app", ["process_asgi:app", "process_wsgi"])
def test_a_read_only_system_is_enough(app):
    """/proc takes no files, not even from root."""
    env = {"TMPDIR": "/proc", "HOME": "/proc", "PYTHONDONTWRITEBYTECODE": "1"}
    with running(app, "--app-dir", str(APPS), cwd="/proc", env=env) as server:
        body = b"x" * (3 << 20)
        assert exchange(server.port, "POST", "/echo", body=body).body == body
        assert server.stop() == 0
        assert "WARNING" not in server.output()


def test_no_descriptor_of_the_server_is_passed_on_by_accident(tmp_path):
    """A program that the application starts does not hold the listening socket open."""
    (tmp_path / "spawning.py").write_text(
        "import subprocess\n"
        "def application(environ, start_response):\n"
        "    out = subprocess.run(['ls', '-l', '/proc/self/fd'], capture_output=True,\n"
        "        close_fds=False, check=True).stdout\n"
        "    start_response('200 OK', [])\n"
        "    return [out]\n"
    )
    with started("serve", "spawning", "--port", "0", cwd=tmp_path) as server:
        output = server.wait_for_output("listening on http://127.0.0.1:")
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", output)[1])
        assert b"socket:" not in exchange(port, "GET", "/").body
        assert server.stop() == 0


# Fields of the server's own.


def test_fields_that_the_server_adds():
    with running("process_wsgi", cwd=APPS) as server:
        response = exchange(server.port, "GET", "/")
        assert response.header("server") == "bascule"
        assert parsedate_to_datetime(response.header("date")).utcoffset().total_seconds() == 0
        refused = raw_exchange(server.port, b"nonsense\r\n\r\n")[0]
        assert refused.header("date") is not None


@pytest.mark.parametrize(
    ("option", "name"), [("--no-server-header", "server"), ("--no-date-header", "date")]
)
def test_fields_that_it_leaves_out(option, name):
    with running("process_wsgi", option, cwd=APPS) as server:
        assert exchange(server.port, "GET", "/").header(name) is None
        assert raw_exchange(server.port, b"nonsense\r\n\r\n")[0].header(name) is None


def test_fields_that_the_operator_adds():
    fields = ("--header", "X-Frame-Options: DENY", "--header", "X-Two: a: b")
    with running("process_asgi:app", *fields, cwd=APPS) as server:
        responses = [
            exchange(server.port, "GET", "/"),
            exchange(server.port, "GET", "/fail"),
            raw_exchange(server.port, b"nonsense\r\n\r\n")[0],
        ]
        assert [response.status for response in responses] == [200, 500, 400]
        for response in responses:
            assert response.header("x-frame-options") == "DENY"
            assert response.header("x-two") == "a: b"


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", "<&-", ">&-", "2>&-"])
@pytest.mark.parametrize("flags", ["", "--workers 1"])
def test_an_environment_without_standard_streams_is_served(closed, flags):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, number = listener.getsockname()[1], listener.fileno()
        command = f'exec "$0" -m bascule serve process_wsgi --fd {number} {flags} {closed}'
        process = subprocess.Popen(
            ["/bin/sh", "-c", command, sys.executable],
            cwd=APPS,
            env=clean_environment(),
            pass_fds=[number],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert exchange(port, "GET", "/").status == 200
            process.terminate()
            output, _ = process.communicate(timeout=20)
            assert process.returncode == 0
        finally:
            process.kill()
            process.wait()
    assert "WARNING" not in output
    assert "Error" not in output


def test_the_process_has_no_more_descriptors_after_many_connections():
    with running("process_asgi:app", cwd=APPS) as server:
        folder = f"/proc/{server.process.pid}/fd"
        assert exchange(server.port, "GET", "/").status == 200
        with RawClient(server.port) as client:
            client.request("GET", "/")
            client.read_response()
            before = len(os.listdir(folder))
            for _ in range(100):
                assert exchange(server.port, "GET", "/").status == 200
            # Answered on a connection older than all of them, so their ends have been seen.
            client.request("GET", "/turns?10")
            client.read_response()
            assert len(os.listdir(folder)) <= before + 1
