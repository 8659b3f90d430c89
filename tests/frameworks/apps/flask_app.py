"""The checklist's app in Flask."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from threading import Event
from typing import Any

from content import ENDLESS_PIECE, ETAG, PAGE, as_json, digest, pieces
from flask import Flask, Response, redirect, request

app = Flask(__name__, static_folder=None)

events: defaultdict[str, Event] = defaultdict(Event)
counts: Counter[str] = Counter()


def reply(value: object, **options: Any) -> Response:
    return Response(as_json(value), mimetype="application/json", **options)


@app.get("/query")
def query() -> Response:
    return reply(list(request.args.items(multi=True)))


@app.get("/path/<path:rest>")
def path(rest: str) -> Response:
    return reply(rest)


@app.post("/form")
def form() -> Response:
    return reply(request.form.to_dict())


@app.post("/json")
def echo_json() -> Response:
    return reply(request.get_json())


@app.post("/upload")
def upload() -> Response:
    file = request.files["file"]
    return reply({"name": file.filename, "note": request.form["note"], **digest(file.read())})


@app.post("/body")
def body() -> Response:
    return reply(digest(request.get_data()))


@app.post("/count/<key>")
def count(key: str) -> Response:
    """How often this was called with the key, this time counted."""
    request.get_data()
    counts[key] += 1
    return reply(counts[key])


@app.get("/stream")
def stream() -> Response:
    return Response(pieces(), mimetype="text/plain")


@app.get("/redirect")
def to_query() -> Any:
    return redirect("/query?from=redirect", 303)


@app.get("/cookies")
def cookies() -> Response:
    response = reply(request.cookies)
    response.set_cookie("first", "1")
    response.set_cookie("second", "2", max_age=60, httponly=True)
    return response


@app.get("/empty")
def empty() -> tuple[str, int]:
    return "", 204


@app.get("/conditional/page.txt")
def conditional() -> Response:
    response = Response(PAGE, mimetype="text/plain")
    response.headers["ETag"] = ETAG
    return response.make_conditional(request)


@app.get("/error")
def error() -> Response:
    raise RuntimeError("broken on purpose")


@app.get("/broken-stream")
def broken_stream() -> Response:
    def parts() -> Iterator[bytes]:
        yield b"beginning\n"
        raise RuntimeError("broken on purpose")

    return Response(parts())


@app.get("/headers")
def headers() -> Response:
    large = request.headers["X-Large"]
    return reply(len(large), headers={"X-Large": large})


@app.post("/mix/<number>")
def mix(number: str) -> Response:
    texts = (number, request.headers["X-Number"], request.get_data(as_text=True))
    return Response(f"{text}\n" for text in texts)


@app.get("/address")
def address() -> Response:
    return reply(
        {
            "client": request.remote_addr,
            "scheme": request.scheme,
            "host": request.host,
            "url": request.url,
        }
    )


@app.get("/endless/<key>")
def endless(key: str) -> Response:
    def parts() -> Iterator[bytes]:
        try:
            while True:
                yield ENDLESS_PIECE
        finally:
            events[key].set()

    return Response(parts())


@app.get("/wait/<key>")
def wait(key: str) -> Response:
    assert events[key].wait(15)
    return reply("happened")
