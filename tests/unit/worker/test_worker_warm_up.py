"""The first request, which a worker makes itself."""

import pytest
from worker_rig import run

from bascule.errors import StartupError
from bascule.server import Server

LONG = b"x" * 200_000


class Answers:
    """An ASGI application that sends the given response, and keeps the requests."""

    def __init__(self, status, body=b"", hints=False, fails=False, field=b"short"):
        self.status, self.body, self.hints, self.fails = status, body, hints, fails
        self.field = field
        self.asked = []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        self.asked.append((scope["method"], scope["raw_path"], scope["query_string"]))
        if self.fails:
            raise ZeroDivisionError
        if self.hints:
            await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        fields = [(b"x-field", self.field)]
        await send({"type": "http.response.start", "status": self.status, "headers": fields})
        await send({"type": "http.response.body", "body": self.body})


async def start(app, path):
    """Start a server with a warm-up, and stop it. Raises what the start raises."""
    server = Server(app, port=0, warm_up=path)
    await server.start()
    await server.stop()


@pytest.mark.parametrize("status", [200, 204, 302, 404])
def test_whatever_is_no_failure_of_the_server_will_do(status):
    app = Answers(status)
    run(start(app, "/healthz?full=1"))
    assert app.asked == [("GET", b"/healthz", b"full=1")]


def test_it_is_asked_before_anybody_can_connect():
    async def main():
        app = Answers(200)
        server = Server(app, port=0, warm_up="/")
        await server.start()
        assert len(app.asked) == 1
        await server.stop()

    run(main())


def test_a_large_answer_is_taken_to_its_end():
    run(start(Answers(200, body=LONG * 10, field=LONG), "/"))


@pytest.mark.parametrize("hints", [False, True])
@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_is_a_failed_start(status, hints):
    """Early hints come before it, and say nothing of it."""
    with pytest.raises(StartupError, match=rf"answered {status} .* /healthz \(--warm-up\)"):
        run(start(Answers(status, hints=hints), "/healthz"))


def test_early_hints_are_not_the_answer():
    run(start(Answers(200, hints=True), "/"))


def test_an_application_that_raises_is_a_failed_start():
    with pytest.raises(StartupError, match="answered 500"):
        run(start(Answers(200, fails=True), "/"))
