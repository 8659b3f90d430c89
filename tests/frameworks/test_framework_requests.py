"""Requests arrive in the application as they were sent, whatever the framework."""

import hashlib
import json
from random import Random
from urllib.parse import urlencode

import httpx
import pytest
from framework_sites import Site

from support.http import Response

CONCURRENT = 64


def digest(data: bytes) -> dict[str, object]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def as_json(response: Response) -> object:
    assert response.status == 200, response
    return json.loads(response.body)


def test_a_query_arrives_decoded_and_in_order(site: Site) -> None:
    response = site.get("/query?a=1&b=caf%C3%A9+au%20lait&a=2&empty=")
    pairs = sorted(as_json(response))
    assert pairs == [["a", "1"], ["a", "2"], ["b", "café au lait"], ["empty", ""]]


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("plain", "plain"),
        ("caf%C3%A9", "café"),
        ("%F0%9F%A7%80/%e2%82%ac", "🧀/€"),
        ("a%20b%2Bc+d%25", "a b+c+d%"),
        ("slash%2Finside", "slash/inside"),
        ("semi;colon,comma=equals:colon@at", "semi;colon,comma=equals:colon@at"),
    ],
)
def test_a_path_arrives_decoded_once(site: Site, sent: str, seen: str) -> None:
    assert as_json(site.get(f"/path/{sent}")) == seen


def test_a_form_arrives(site: Site) -> None:
    fields = {"name": "Zoë & Søn", "text": "one\r\ntwo", "percent": "100%", "empty": ""}
    form = ("Content-Type", "application/x-www-form-urlencoded")
    assert as_json(site.post("/form", urlencode(fields).encode(), form)) == fields


def test_json_arrives(site: Site) -> None:
    value = {"text": "naïve 🧀", "list": [1, 2.5, None, True], "nested": {"a": []}}
    body = json.dumps(value, ensure_ascii=False).encode()
    assert as_json(site.post("/json", body, ("Content-Type", "application/json"))) == value


def test_a_large_upload_arrives_whole(site: Site) -> None:
    data = Random(300).randbytes(300_001)
    with httpx.Client(base_url=site.server.base_url, trust_env=False) as client:
        response = client.post(
            "/upload",
            data={"note": "ünïcode"},
            files={"file": ("photo of a bridge.jpg", data, "image/jpeg")},
        )
    expected = {"name": "photo of a bridge.jpg", "note": "ünïcode", **digest(data)}
    assert response.json() == expected


def test_a_body_arrives_whole_in_small_writes(site: Site) -> None:
    data = Random(5).randbytes(5_000)
    with site.connect() as client:
        client.request("POST", "/body", [("Content-Length", str(len(data)))])
        for start in range(0, len(data), 500):
            client.send(data[start : start + 500])
        assert as_json(client.read_response()) == digest(data)


def test_a_chunked_body_arrives_whole(site: Site) -> None:
    random = Random(16)
    chunks = [random.randbytes(size) for size in (1, 15, 16, 17, 4096, 70_000)]
    seen = b"".join(chunks)
    with site.connect() as client:
        client.request_chunked("POST", "/body", chunks, trailers=[("X-Checksum", "none")])
        assert as_json(client.read_response()) == digest(seen)
        client.request("GET", "/query?after=it")
        assert as_json(client.read_response()) == [["after", "it"]]


@pytest.mark.parametrize("sent", ["at once", "in two writes", "in chunks"])
def test_a_request_is_carried_out_once(site: Site, sent: str) -> None:
    key = sent.replace(" ", "-")
    with site.connect() as client:
        if sent == "at once":
            client.request("POST", f"/count/{key}", body=b"body")
        elif sent == "in two writes":
            client.request("POST", f"/count/{key}", [("Content-Length", "4")])
            client.send(b"body")
        else:
            client.request_chunked("POST", f"/count/{key}", [b"bo", b"dy"])
        assert as_json(client.read_response()) == 1
        client.request("POST", f"/count/{key}", body=b"")
        assert as_json(client.read_response()) == 2


def test_an_empty_body_arrives_as_one(site: Site) -> None:
    assert as_json(site.post("/body", b"")) == digest(b"")


def test_a_client_that_waits_for_100_gets_it(site: Site) -> None:
    data = b"sent after 100 (Continue)"
    with site.connect() as client:
        fields = [("Expect", "100-continue"), ("Content-Length", str(len(data)))]
        client.request("POST", "/body", fields)
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(data)
        assert as_json(client.read_response()) == digest(data)


def test_a_body_nobody_reads_does_not_become_the_next_request(site: Site) -> None:
    inner = b"GET /query?smuggled=1 HTTP/1.1\r\nHost: evil\r\n\r\n" * 500
    with site.connect() as client:
        client.request("POST", "/nowhere", body=inner)
        client.request("GET", "/query?own=1")
        assert client.read_response().status == 404
        assert as_json(client.read_response()) == [["own", "1"]]


def test_a_large_header_arrives_and_comes_back(site: Site) -> None:
    large = "abcdefgh" * 3_750
    response = site.get("/headers", ("X-Large", large))
    assert as_json(response) == len(large)
    assert response.header("X-Large") == large


def test_cookies_arrive(site: Site) -> None:
    response = site.get("/cookies", ("Cookie", "session=abc123; theme=dark"))
    assert as_json(response) == {"session": "abc123", "theme": "dark"}


def test_the_address_of_the_client_and_the_url_are_known(site: Site) -> None:
    response = site.get("/address?x=1", ("Host", "polls.example:8123"))
    assert as_json(response) == {
        "client": "127.0.0.1",
        "scheme": "http",
        "host": "polls.example:8123",
        "url": "http://polls.example:8123/address?x=1",
    }


def test_requests_in_flight_together_do_not_mix(site: Site) -> None:
    """All heads go first, then all bodies the other way round, then the answers are read."""
    numbers = range(CONCURRENT)
    clients = [site.connect() for _ in numbers]
    bodies = [f"body of {number} " * (number + 1) for number in numbers]
    try:
        for number in numbers:
            fields = [("X-Number", f"n{number}"), ("Content-Length", str(len(bodies[number])))]
            clients[number].request("POST", f"/mix/{number}", fields)
        for number in reversed(numbers):
            clients[number].send(bodies[number].encode())
        for number in numbers:
            response = clients[number].read_response()
            assert response.body.decode() == f"{number}\nn{number}\n{bodies[number]}\n"
    finally:
        for client in clients:
            client.close()
