"""bascule.Server and bascule.serve, as the documentation shows them."""

import asyncio
import socket

import pytest

import bascule
from bascule.errors import BindError, StartupError, UsageError
from support.http import request_bytes


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


async def broken(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def served(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_bytes("GET", "/", [("Host", "a"), ("Connection", "close")]))
    response = await reader.read()
    writer.close()
    return response


def run(main):
    async def within():
        async with asyncio.timeout(20):
            await main

    asyncio.run(within())


def test_entering_starts_and_leaving_drains():
    async def main():
        async with bascule.Server(app, port=0) as server:
            assert server.addresses == [f"http://127.0.0.1:{server.port}"]
            (listener,) = server.sockets
            assert listener.getsockname() == ("127.0.0.1", server.port)
            assert (await served(server.port)).endswith(b"served")
            port = server.port
        assert server.sockets == ()
        assert server.addresses == []
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(main())


def test_leaving_by_an_exception_drains_and_raises_it():
    async def main():
        server = bascule.Server(app, port=0)

        async def fail():
            async with server:
                assert (await served(server.port)).endswith(b"served")
                raise ZeroDivisionError(server.port)

        with pytest.raises(ZeroDivisionError) as raised:
            await fail()
        (port,) = raised.value.args
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(main())


def test_leaving_waits_for_a_request_in_flight():
    async def main():
        entered, release = asyncio.Event(), asyncio.Event()

        async def slow(scope, receive, send):
            entered.set()
            await release.wait()
            await app(scope, receive, send)

        async def request():
            return await served(server.port)

        async with bascule.Server(slow, port=0, lifespan="off") as server:
            asking = asyncio.create_task(request())
            await entered.wait()
            asyncio.get_running_loop().call_soon(release.set)
        assert (await asking).endswith(b"served")

    run(main())


def test_errors_of_the_start_are_raised_by_entering():
    async def main():
        with pytest.raises(StartupError, match="no database"):
            async with bascule.Server(broken, port=0):
                raise AssertionError("it did not start")
        with socket.create_server(("127.0.0.1", 0)) as holder, pytest.raises(BindError):
            async with bascule.Server(app, port=holder.getsockname()[1]):
                raise AssertionError("it did not start")

    run(main())


def test_it_is_entered_once():
    async def main():
        server = bascule.Server(app, port=0)
        async with server:
            with pytest.raises(UsageError, match="make a new one"):
                async with server:
                    raise AssertionError("it was entered twice")
            assert (await served(server.port)).endswith(b"served")
        with pytest.raises(UsageError, match="make a new one"):
            async with server:
                raise AssertionError("it was entered again")

    run(main())


def test_a_port_is_there_while_it_listens_on_one(tmp_path):
    async def main():
        server = bascule.Server(app, port=0)
        with pytest.raises(UsageError, match="while it is not started"):
            _ = server.port
        both = [f"unix:{tmp_path / 'app.sock'}", "127.0.0.1:0"]
        async with bascule.Server(app, bind=both) as server:
            assert server.addresses[1] == f"http://127.0.0.1:{server.port}"
        async with bascule.Server(app, bind=both[:1]) as server:
            with pytest.raises(UsageError, match="UNIX sockets only"):
                _ = server.port

    run(main())


def test_sockets_that_block_are_served_and_stay_open():
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            assert listener.getblocking()
            async with bascule.Server(app, sockets=[listener]) as server:
                assert server.port == listener.getsockname()[1]
                for _ in range(2):
                    assert (await served(server.port)).endswith(b"served")
            assert listener.fileno() >= 0

    run(main())


def test_attributes_of_other_servers_are_not_set_in_vain():
    server = bascule.Server(app)
    with pytest.raises(AttributeError):
        server.should_exit = True


def test_serve_says_what_to_use_where_a_loop_runs():
    async def main():
        with pytest.raises(UsageError, match="while an event loop is running") as refused:
            bascule.serve(app, port=0)
        assert "async with bascule.Server(app) as server" in str(refused.value)

    run(main())


def test_a_target_is_given_once():
    with pytest.raises(UsageError, match="target: the application is given already, as 'a:b'"):
        bascule.Server("a:b", target="c:d")
