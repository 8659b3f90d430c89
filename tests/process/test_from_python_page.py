"""Each program on the page about Python runs, and does what the page says."""

import ast
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import clean_environment
from support.server import Server
from support.workers import DEADLINE, answered

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "from-python.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
HELLO = PROGRAMS[0]
SERVES = [program for program in PROGRAMS if "bascule.serve(" in program]
ENDS = [program for program in PROGRAMS if "bascule.serve(" not in program]

RUNNER = """
import ast, asyncio, sys
code = compile(open(sys.argv[1]).read(), sys.argv[1], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
if code.co_flags & 0x80:
    asyncio.run(eval(code, {}))
else:
    exec(code, {"__name__": "__main__"})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert HELLO.startswith("# hello.py\n")
    (tmp_path / "hello.py").write_text(HELLO)
    return tmp_path


@contextmanager
def running(script: str, folder: Path, env: dict[str, str], *fds: int) -> Iterator[Server]:
    """A program that serves until it gets SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, script],
        cwd=folder,
        env=env,
        pass_fds=fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(process, 0, "http")
    try:
        output = server.wait_for_output("listening on", DEADLINE)
        found = re.search(r"127\.0\.0\.1:(\d+)", output)
        assert found is not None
        server.port = int(found[1])
        yield server
        process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
    finally:
        server.kill()


@pytest.mark.parametrize("program", SERVES, ids=["app", "sockets"])
def test_it_serves_until_a_signal(folder: Path, program: str) -> None:
    (folder / "program.py").write_text(program.replace("port=8080", "port=0"))
    with running("program.py", folder, clean_environment()) as server:
        assert answered(server, "/") == "Hello\n"


@pytest.mark.parametrize("program", ENDS, ids=["with", "start", "thread", "settings"])
def test_it_runs_to_its_end(folder: Path, program: str) -> None:
    if "threading" in program:
        # Its thread is a daemon, and would not come so far.
        program += "while not server.addresses:\n    pass\n"
    (folder / "program.py").write_text(program)
    result = subprocess.run(
        [sys.executable, "-c", RUNNER, "program.py"],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


def test_each_is_a_program() -> None:
    for program in PROGRAMS:
        compile(program, "program", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


OWN_SOCKETS = """
import os
import socket
import bascule

def app(environ, start_response):
    start_response("200 OK", [])
    try:
        os.fstat(INHERITED)
        state = "open"
    except OSError:
        state = "closed"
    return [f"{state} {os.environ.get('BASCULE_INHERITED_SOCKETS')}".encode()]

INHERITED = int(os.environ["BASCULE_INHERITED_SOCKETS"])
raise SystemExit(bascule.serve(app, sockets=[socket.create_server(("127.0.0.1", 0))], threads=0))
"""


def test_sockets_of_its_own_come_before_those_of_a_predecessor(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(OWN_SOCKETS)
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        # A number that no descriptor of the server's own gets.
        number = fcntl.fcntl(inherited, fcntl.F_DUPFD, 200)
        env = {**clean_environment(), "BASCULE_INHERITED_SOCKETS": str(number)}
        try:
            with running("program.py", tmp_path, env, number) as server:
                assert answered(server, "/") == "closed None"
        finally:
            os.close(number)
