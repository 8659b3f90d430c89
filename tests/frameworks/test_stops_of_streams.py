"""Streams of events in processes of their own: the stop, and requests for their head alone."""

import pytest
from framework_sites import APPS

from support.http import RawClient
from support.server import running

FIRST = b"data: first"

# Longer than a test may take: nothing is to wait for that.
PATIENT = ("--timeout-graceful-shutdown", "100", "--lifespan", "off")


def test_sse_starlette_says_goodbye() -> None:
    """It learns of the stop as it does of Uvicorn's, so its stream ends by itself."""
    with running("streaming_apps:sse", *PATIENT, cwd=APPS) as server:
        with RawClient(server.port) as client:
            client.request("GET", "/")
            assert client.read_until(FIRST)
            server.signal(15)
            assert client.read_until(b"data: goodbye")
        assert server.wait() == 0
    assert "closed by sse-starlette" in server.output()
    assert "ERROR" not in server.output()


@pytest.mark.parametrize("target", ["django", "wrapped"])
def test_django(target: str) -> None:
    with running(f"streaming_apps:{target}", *PATIENT, cwd=APPS) as server:
        with RawClient(server.port) as client:
            client.request("HEAD", "/")
            assert client.read_response(method="HEAD").status == 200
        server.wait_for_output("closed by Django", times=1)
        with RawClient(server.port) as client:
            client.request("GET", "/")
            assert client.read_until(FIRST)
            server.signal(15)
            # Complete: the last chunk is there.
            assert client.read_until(b"0\r\n\r\n")
        assert server.wait() == 0
    assert server.output().count("closed by Django") == 2
    assert "ERROR" not in server.output()
