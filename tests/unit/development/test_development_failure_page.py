"""Which requests in development are answered with the reason why new code did not start."""

import socket
from types import SimpleNamespace

import pytest

from bascule.development.failure_page import (
    FailureInterface,
    FailureServer,
    is_page_load,
    page_settings,
)
from bascule.interfaces.exchange import Interface
from bascule.protocols.events import Request
from bascule.settings import Settings
from support.certificates import make_certificates
from support.client import Http1Client

NO_FAILURE = SimpleNamespace(failure="")


def request(fields, method="GET"):
    encoded = [(name.encode(), value.encode()) for name, value in fields]
    return Request(method, b"/", b"/", b"", "1.1", encoded, -1, True, False)


@pytest.mark.parametrize(
    ("fields", "method", "is_one"),
    [
        ([("sec-fetch-dest", "document"), ("accept", "text/html")], "GET", True),
        ([("sec-fetch-dest", "iframe")], "GET", True),
        ([("accept", "text/html,application/xhtml+xml,*/*;q=0.8")], "GET", True),
        ([("bascule-failed", "0")], "GET", True),
        # htmx and the like ask for HTML, but not for a page.
        ([("sec-fetch-dest", "empty"), ("accept", "text/html")], "GET", False),
        ([("sec-fetch-dest", "image")], "GET", False),
        ([("accept", "*/*")], "GET", False),
        ([], "GET", False),
        ([("sec-fetch-dest", "document")], "POST", False),
        ([("sec-fetch-dest", "document")], "HEAD", False),
    ],
)
def test_page_loads(fields, method, is_one):
    assert is_page_load(request(fields, method)) is is_one


def test_what_runs_behind_it_is_counted():
    behind = Interface()
    behind.running, behind.switched, behind.deserted = 3, 2, 1
    for interface in (FailureInterface(NO_FAILURE, behind), behind):
        assert interface.count_running() == 3
        assert interface.count_switched() == 2
        assert interface.count_deserted() == 1
    assert FailureInterface(NO_FAILURE).count_running() == 0


def test_only_what_connections_need_is_taken_from_the_settings():
    given = Settings(http="1", warm_up="/", workers=2, threads=3, lifespan="on")
    taken = page_settings(given)
    assert taken.http == "1"
    assert (taken.warm_up, taken.workers, taken.lifespan) == (None, None, "auto")


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


def test_over_tls_too_and_then_somebody_else_serves(listener, tmp_path):
    certificates = make_certificates(tmp_path)
    settings = Settings(**certificates.settings)
    port = listener.getsockname()[1]
    server = FailureServer(settings, [listener], "no <database>")
    client = Http1Client(port, certificates.context())
    response = client.request("GET")
    assert (response.status, response.body) == (500, b"the code did not start\n\nno <database>\n")
    server.end()
    client.close()
    server.end()  # twice is as once
    again = FailureServer(settings, [listener], "another reason")
    client = Http1Client(port, certificates.context())
    assert b"another reason" in client.request("GET").body
    client.close()
    again.end()


def test_tls_that_cannot_be_had_is_no_trouble(listener, tmp_path):
    settings = Settings()
    settings.__dict__["ssl_certfile"] = str(tmp_path / "not-there.pem")
    FailureServer(settings, [listener], "a reason").end()
