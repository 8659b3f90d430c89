"""Responses arrive at the client as the application sent them, whatever the framework."""

import pytest
from framework_sites import Site

from support.http import ConnectionEnded

PIECES = 256
STREAM = b"".join(b"%07d\n" % number * 1024 for number in range(PIECES))


def test_a_stream_arrives_complete_and_in_order(site: Site) -> None:
    response = site.get("/stream")
    assert response.status == 200
    assert response.body == STREAM


def test_many_streams_follow_each_other_on_one_connection(site: Site) -> None:
    with site.connect() as client:
        for _ in range(3):
            client.request("GET", "/stream")
            assert client.read_response().body == STREAM


def test_the_server_has_said_what_it_does(site: Site) -> None:
    """Also where the framework sets up logging for itself."""
    site.server.wait_for_output("listening on http://127.0.0.1:")


@pytest.mark.parametrize("target", ["/query?a=1", "/stream"])
def test_head_is_get_without_the_body(site: Site, target: str) -> None:
    with site.connect() as client:
        client.request("GET", target)
        got = client.read_response()
        client.request("HEAD", target)
        headed = client.read_response("HEAD")
        client.request("GET", "/query?after=head")
        after = client.read_response()
    assert (headed.status, headed.body) == (200, b"")
    assert headed.header("content-type") == got.header("content-type")
    assert after.body == b'[["after","head"]]' or after.body == b'[["after", "head"]]'


def test_an_unknown_path_is_404(site: Site) -> None:
    response = site.get("/nowhere")
    assert response.status == 404
    assert response.body


def test_a_redirect_keeps_its_location(site: Site) -> None:
    response = site.get("/redirect")
    assert response.status in (302, 303)
    assert response.header("location") == "/query?from=redirect"


def test_two_cookies_are_two_fields(site: Site) -> None:
    names = [value.partition("=")[0] for value in site.get("/cookies").values("set-cookie")]
    assert names == ["first", "second"]


def test_204_has_no_body_and_no_framing(site: Site) -> None:
    """RFC 9110 section 8.6 and RFC 9112 section 6.1: neither length nor coding goes with 204."""
    with site.connect() as client:
        client.request("GET", "/empty")
        response = client.read_response()
        client.request("GET", "/query?after=204")
        assert client.read_response().status == 200
    assert (response.status, response.body) == (204, b"")
    assert response.values("content-length") == response.values("transfer-encoding") == []


def test_304_is_sent_to_who_has_the_page(site: Site) -> None:
    with site.connect() as client:
        client.request("GET", "/conditional/page.txt")
        first = client.read_response()
        etag = first.header("etag")
        assert (first.status, first.body[:8]) == (200, b"The page")
        assert etag
        client.request("GET", "/conditional/page.txt", [("If-None-Match", etag)])
        second = client.read_response()
        client.request("GET", "/query?after=304")
        assert client.read_response().status == 200
    assert (second.status, second.body, second.header("etag")) == (304, b"", etag)
    assert second.values("transfer-encoding") == []


def test_an_exception_is_500_and_the_connection_goes_on(site: Site) -> None:
    with site.connect() as client:
        for _ in range(2):
            client.request("GET", "/error")
            assert client.read_response().status == 500
            client.request("GET", "/query?after=500")
            assert client.read_response().status == 200


def test_a_stream_that_fails_is_cut_off_and_never_looks_complete(site: Site) -> None:
    with site.connect() as client:
        client.request("GET", "/broken-stream")
        with pytest.raises(ConnectionEnded) as caught:
            client.read_response()
    assert b"\r\n0\r\n" not in caught.value.received
    site.server.wait_for_output("RuntimeError: broken on purpose")
    site.assert_healthy()


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_client_that_leaves_ends_its_stream_alone(site: Site, leave: str) -> None:
    key = f"left-by-{leave}"
    with site.connect() as client:
        client.request("GET", f"/endless/{key}")
        client.read_at_least(200_000)
        getattr(client, leave)()
    assert b"happened" in site.get(f"/wait/{key}").body
    site.assert_healthy()


def test_a_task_in_the_background_does_not_hold_its_response_up(site: Site) -> None:
    if not site.framework.has_background:
        pytest.skip("the framework has no background tasks")
    with site.connect() as client:
        client.request("POST", "/background/one")
        assert client.read_response().status == 202
    assert site.post("/release/one", b"").body.replace(b" ", b"") == b'{"done_before":false}'
    assert b"happened" in site.get("/wait/one-done").body
