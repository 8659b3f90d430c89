"""Type checkers know the options of `serve`, `Server` and `Settings`, and their types."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import bascule

SOURCE = Path(bascule.__file__).parents[1]

# Each line with a comment is to be refused with that word, and no other line.
SAMPLE = """\
import socket
import bascule

async def app(scope: object, receive: object, send: object) -> None: ...

bascule.serve(app, port=8080, threads=4, bind=[":8000", "unix:/tmp/a.sock"], workers="auto")
bascule.serve("mysite.wsgi", mounts={"/api": app}, sockets=[socket.socket()])
bascule.serve(app, prot=8080)  # prot
bascule.serve(app, port="8080")  # port
bascule.serve(app, http="3")  # http
bascule.serve(app, sockets=socket.socket())  # sockets
bascule.Server(app, port=0, websocket=app, ssl_certfile=None)
bascule.Server(app, log_levle="info")  # log_levle
bascule.Server(app, threads=None)  # threads
bascule.Settings(port=8080, websocket="chat:app")
bascule.Settings(port=b"")  # port
bascule.Settings(reload="yes")  # reload

async def main() -> None:
    async with bascule.Server(app, port=0) as server:
        number: int = server.port
        text: str = server.port  # str
        opened: tuple[socket.socket, ...] = server.sockets
        await server.sotp()  # sotp
"""


# mypy reads the whole package.
@pytest.mark.timeout(300)
def test_names_and_types_are_checked(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text(SAMPLE)
    # An installed package is found without a path, and mypy refuses one to it.
    path = "" if "site-packages" in str(SOURCE) else f"mypy_path = {SOURCE}\n"
    (tmp_path / "mypy.ini").write_text(
        f"[mypy]\nstrict = True\n{path}"
        "[mypy-uvloop.*,aiofastnet.*]\nignore_missing_imports = True\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-pretty", sample.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    errors = re.findall(r"^sample\.py:(\d+): error: (.*)$", result.stdout, re.MULTILINE)
    expected = {
        number: line.partition("# ")[2]
        for number, line in enumerate(SAMPLE.splitlines(), 1)
        if "# " in line
    }
    found = {int(number) for number, _ in errors}
    assert found == set(expected), result.stdout + result.stderr
    for number, message in errors:
        assert f'"{expected[int(number)]}"' in message, message
