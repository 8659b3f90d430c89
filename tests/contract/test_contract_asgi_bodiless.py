"""Responses that have no body on the wire: to HEAD, 204 and 304 (RFC 9110 sections 9.3.2, 15.3.5
and 15.4.5). They are complete with their head, whatever the application sends behind it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from support.asgi import app, body, read_body, respond, start
from support.flag import Flag
from support.inprocess import Served

Serve = Callable[..., Served]

BODILESS = [("HEAD", 200), ("GET", 204), ("GET", 304)]


@pytest.mark.parametrize(("method", "status"), BODILESS)
def test_an_endless_stream_ends(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, method: str, status: int
) -> None:
    """The client has its answer at once; the application gets the OSError of a client that has
    gone, and that is no error of anybody's (the fixture looks)."""
    monkeypatch.setattr("bascule.interfaces.asgi.http.TOLD_GRACE", 0.01)
    result = Flag()

    @app
    async def endless(receive: Any, send: Any) -> None:
        await start(send, status=status)
        try:
            while True:
                await body(send, b"" if status != 200 else b"x", more=True)
        except OSError as error:
            if not result.is_set:
                result.set(error)
            raise

    served = serve(endless)
    client = served.connect()
    response = client.request(method)
    assert (response.status, response.body) == (status, b"")
    assert isinstance(result.wait(), OSError)
    served.wait_until_idle()
    # The connection is as good as before.
    assert client.request(method).status == status
    served.wait_until_idle()


@pytest.mark.parametrize(("method", "status"), BODILESS)
def test_receive_says_disconnect(serve: Serve, method: str, status: int) -> None:
    got = Flag()

    @app
    async def quiet(receive: Any, send: Any) -> None:
        await read_body(receive)
        waiting = asyncio.create_task(receive())
        await start(send, status=status)
        await body(send, b"", more=True)
        got.set(await waiting)

    assert serve(quiet).request(method).status == status
    assert got.wait() == {"type": "http.disconnect"}


def test_a_response_in_pieces_is_sent_without_an_error(serve: Serve) -> None:
    """An application does for HEAD what it does for GET, and then something else."""
    result = Flag()

    @app
    async def pieces(receive: Any, send: Any) -> None:
        await start(send, headers=[(b"content-length", b"6")])
        await body(send, b"one", more=True)
        await body(send, b"", more=True)
        await body(send, b"two")
        try:
            await body(send, b"more")
        except RuntimeError as error:
            result.set(str(error))

    response = serve(pieces).request("HEAD")
    assert (response.status, response.body) == (200, b"")
    assert response.values("Content-Length") == ["6"]
    assert "after the response" in result.wait()


def test_trailers_behind_it_are_dropped(serve: Serve) -> None:
    result = Flag()

    @app
    async def with_trailers(receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await body(send, b"x", more=True)
        await body(send, b"x")
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})
        result.set("done")

    assert serve(with_trailers).request("HEAD").status == 200
    assert result.wait() == "done"


def test_what_is_done_behind_the_response_is_waited_for(serve: Serve) -> None:
    """When the server stops, a response without a reader is not complete."""
    finish, result = Flag(), Flag()

    @app
    async def works_on(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"x", more=True)
        await body(send, b"x")
        await finish.reached()
        result.set("finished")

    served = serve(works_on)
    client = served.connect()
    assert client.request("HEAD").status == 200
    client.close()
    served.wait_until_unconnected()
    assert served.hub.interface.deserted == 0
    finish.set()
    assert result.wait() == "finished"


def test_a_stream_that_waits_does_not_hold_the_stop(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bascule.worker.worker.DESERTED_GRACE", 0.0)

    @app
    async def quiet(receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"first", more=True)
        await asyncio.Event().wait()

    served = serve(quiet, timeout_graceful_shutdown=60.0)
    client = served.connect()
    assert client.request("HEAD").status == 200
    client.close()
    served.wait_until_unconnected()
    served.begin_stop()
    served.wait_until_ended()


def test_the_next_request_is_answered_meanwhile(serve: Serve) -> None:
    finish = Flag()

    async def site(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "HEAD":
            await start(send)
            await body(send, b"first", more=True)
            await finish.reached()
        else:
            await respond(send, b"fine")

    client = serve(site).connect()
    assert client.request("HEAD").status == 200
    assert client.request("GET").body == b"fine"
    finish.set()
