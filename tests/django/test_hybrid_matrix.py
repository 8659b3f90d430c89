"""One project by WSGI, by ASGI and by both: the same answers, each from the side it belongs to."""

from collections.abc import Iterator

import pytest
from hybrid_sites import EDGES, Answer, ask

from support.polls import POLLS, prepared
from support.server import Server, running

# Path, and the side that serves it.
EDGE_PATHS = {
    "/": "wsgi",
    "/sync/": "wsgi",
    "/async/": "asgi",
    "/sync/?a=1&b=%C3%A9": "wsgi",
    "/async/?a=1&b=%C3%A9": "asgi",
    "/class/sync/": "wsgi",
    "/class/async/": "asgi",
    "/partial/3/": "asgi",
    "/wrapped/": "wsgi",
    "/marked/": "asgi",
    "/exempt/": "asgi",
    "/forced/wsgi/": "wsgi",
    "/forced/asgi/": "asgi",
    "/forced/class/": "asgi",
    "/forced/dispatch/": "wsgi",
    "/ruled/to-threads/": "wsgi",
    "/ruled/to-loop/": "asgi",
    "/number/4/": "asgi",
    "/number/5/": "wsgi",
    "/number/x/": "wsgi",
    "/uuid/5f0a1b9e-1c7e-4b5e-8f5e-0123456789ab/": "asgi",
    "/uuid/5f0a1b9e/": "wsgi",
    "/files/a/b/c.txt": "wsgi",
    "/archive/2024/": "asgi",
    "/archive/24/": "wsgi",
    "/pair/1-2/": "asgi",
    "/and/somewhere/here/too": "asgi",
    "/same/aa/": "asgi",
    "/same/ab/": "wsgi",
    "/shops/7/": "wsgi",
    "/shops/7/tea/": "wsgi",
    "/shops/7/tea/live/": "asgi",
    "/shops/x/tea/live/": "wsgi",
    "/unicode/%C3%A9%20%2B/": "asgi",
    "/stream/sync/": "wsgi",
    "/stream/async/": "asgi",
    "/stream/async-from-sync/": "wsgi",
    "/stream/sync-from-async/": "asgi",
    "/facts/sync/?x=%20y": "wsgi",
    "/facts/async/?x=%20y": "asgi",
    "/broken/sync/": "wsgi",
    "/broken/async/": "asgi",
    "/news/": "asgi",
    "/de/news/": "asgi",
    "/fr/plain/": "wsgi",
    "/es/news/": "wsgi",
    "/Yes": "asgi",
    "/de/Ja": "asgi",
    "/fr/Oui": "asgi",
    "/de/Oui": "wsgi",
    # APPEND_SLASH redirects these.
    "/sync": "wsgi",
    "/async": "wsgi",
    "/nowhere/": "wsgi",
    "//async/": "wsgi",
    "/%2e%2e/async/": "wsgi",
}
POLLS_PATHS = (
    "/",
    "/?q=river",
    "/?page=2",
    "/ask/",
    "/questions/1/",
    "/questions/1/results/",
    "/questions/1/votes.csv",
    "/questions/999/",
    "/api/questions/",
    "/api/questions/1/",
    "/api/questions/999/",
    "/ping/",
    "/aping/",
    "/aping",
    "/accounts/login/",
    "/accounts/signup/",
    "/admin/",
    "/admin/login/",
    "/admin/ballot/question/",
    "/static/ballot/style.css",
    "/static/none.css",
    "/media/none.png",
    "/nowhere/",
)


class Three:
    """The project by each of the three ways."""

    def __init__(self, by_wsgi: Server, by_asgi: Server, by_both: Server) -> None:
        self.by_wsgi = by_wsgi
        self.by_asgi = by_asgi
        self.by_both = by_both

    def same(self, target: str, *more: object) -> tuple[Answer, str | None]:
        """The answer of all three, and the side that `by_both` chose."""
        expected, _ = ask(self.by_wsgi.port, target, *more)
        assert ask(self.by_asgi.port, target, *more)[0] == expected
        answer, side = ask(self.by_both.port, target, *more)
        assert answer == expected
        return answer, side


@pytest.fixture(scope="module")
def edges() -> Iterator[Three]:
    with (
        running("hybrid_edges.wsgi", "--no-access-log", cwd=EDGES) as by_wsgi,
        running("hybrid_edges.asgi", "--no-access-log", cwd=EDGES) as by_asgi,
        running("hybrid_edges", "--no-access-log", cwd=EDGES) as by_both,
    ):
        yield Three(by_wsgi, by_asgi, by_both)
    assert "Traceback" not in by_both.output()


@pytest.fixture(scope="module")
def polls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Three]:
    env = prepared(tmp_path_factory.mktemp("polls"))
    with (
        running("polls.wsgi", "--no-access-log", cwd=POLLS, env=env) as by_wsgi,
        running("polls.asgi", "--no-access-log", cwd=POLLS, env=env) as by_asgi,
        running("--no-access-log", cwd=POLLS, env=env) as by_both,
    ):
        yield Three(by_wsgi, by_asgi, by_both)
    assert "Traceback" not in by_both.output()


@pytest.mark.parametrize("target", EDGE_PATHS)
def test_an_edge(edges: Three, target: str) -> None:
    answer, side = edges.same(target)
    assert side == EDGE_PATHS[target]
    assert answer.status == 500 if "broken" in target else answer.status in (200, 301, 404)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "DELETE"])
def test_other_methods(edges: Three, method: str) -> None:
    for kind, expected in (("sync", "wsgi"), ("async", "asgi")):
        assert edges.same(f"/class/{kind}/", method)[1] == expected
        assert edges.same(f"/facts/{kind}/", method)[1] == expected


@pytest.mark.parametrize("language", ["de", "fr, en;q=0.5", "es"])
def test_a_language_of_the_browser(edges: Three, language: str) -> None:
    fields = (("accept-language", language),)
    assert edges.same("/news/", "GET", fields)[1] == "asgi"
    assert edges.same("/sync/", "GET", fields)[1] == "wsgi"


def test_a_urlconf_that_a_middleware_takes(edges: Three) -> None:
    """It cannot be known in advance: the view runs on the other side, and answers the same."""
    fields = (("x-urlconf", "hybrid_edges.alternative"),)
    assert edges.same("/sync/", "GET", fields)[1] == "wsgi"
    assert edges.same("/async/", "GET", fields)[1] == "asgi"
    assert edges.same("/class/async/", "GET", fields)[0].status == 404


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_an_upload(edges: Three, kind: str, size: int) -> None:
    boundary = "----edge"
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="word"\r\n\r\nhé\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n'
        "content-type: application/octet-stream\r\n\r\n"
    )
    body = head.encode() + bytes(range(250)) * (size // 250) + f"\r\n--{boundary}--\r\n".encode()
    fields = (("content-type", f"multipart/form-data; boundary={boundary}"),)
    answer, side = edges.same(f"/upload/{kind}/", "POST", fields, body)
    assert (answer.status, side) == (200, "wsgi" if kind == "sync" else "asgi")
    assert b'"a.bin"' in answer.body


@pytest.mark.parametrize("target", POLLS_PATHS)
def test_a_page_of_the_example(polls: Three, target: str) -> None:
    polls.same(target)
