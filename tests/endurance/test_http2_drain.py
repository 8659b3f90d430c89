"""Reloads while h2load asks over HTTP/2: every request that a worker has taken is answered.

h2load does not connect again when its connections are drained: it waits for its time to be over,
and calls failed what it never sent. So each reload has an h2load of its own, and what counts is
what the access log says.
"""

import re
import subprocess

import pytest

from bascule.cli.ctl import exchange
from support.load import asking
from support.needs import program
from support.workers import ASGI, DEADLINE, WSGI, serve, wait_for_ready

RELOADS = 5
# Seconds that h2load asks. Its last connection has been drained long before.
SPAN = 4

# Requests a second of each client, h2load's and ours: no more than the reader of the access log
# can read, because a server drops lines instead of waiting.
RATE = 200

SUCCEEDED = re.compile(r" (\d+) succeeded, ")
LOGGED = re.compile(r'"GET /echo\?h2load HTTP/2" (\d+)')


@pytest.mark.parametrize("target", [ASGI, WSGI])
@pytest.mark.parametrize("streams", [1, 20])
def test_no_request_of_h2load_is_lost(folder, target, streams):
    h2load = program("h2load", package="nghttp2-client")
    succeeded = 0
    with serve(folder, "--control", "ctl.sock", "--access-log", target=target) as server:
        url = f"http://127.0.0.1:{server.port}/echo?h2load"
        command = [h2load, "-t1", "-c8", f"-m{streams}", f"-D{SPAN}", f"--rps={RATE}", url]
        wait_for_ready(server, 1, 2)
        with asking(server.port, connections=1, pause=1 / RATE) as load:
            for number in range(1, RELOADS + 1):
                with subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                ) as process:
                    try:
                        # They share two workers, so by then h2load is under way.
                        load.wait_for_answers(100)
                        answer = exchange(
                            str(folder / "ctl.sock"), {"command": "reload", "argument": ""}
                        )
                        output, _ = process.communicate(timeout=SPAN + DEADLINE)
                    finally:
                        process.kill()
                assert "error" not in answer, answer
                found = SUCCEEDED.search(output)
                assert found is not None, output
                assert int(found[1]) > 0, output
                succeeded += int(found[1])
                assert load.failures == [], f"in reload {number}"
    assert "lines were lost" not in server.output()
    assert LOGGED.findall(server.output()) == ["200"] * succeeded
