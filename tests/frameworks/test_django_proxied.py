"""Django behind a proxy: what it says of a request is what the proxy says, on both sides."""

import json

import pytest
from framework_sites import APPS

from support import proxy
from support.http import RawClient, exchange
from support.server import running

CLIENT = "198.51.100.7"
BELIEVED = (
    "--forwarded-headers",
    "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-prefix",
)
SAID = [
    ("X-Forwarded-For", CLIENT),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example"),
    ("X-Forwarded-Prefix", "/shop"),
]

sides = pytest.mark.parametrize("side", ["django_app:wsgi", "django_app:asgi"])


@sides
def test_proxy(side: str) -> None:
    """`request.is_secure()`, `build_absolute_uri()` and `get_host()`, without a word in Django's
    settings."""
    with running(side, *BELIEVED, cwd=APPS) as server:
        answer = exchange(server.port, "GET", "/client?x=1", SAID)
    assert json.loads(answer.body) == {
        "client": CLIENT,
        "secure": True,
        "host": "shop.example",
        "url": "https://shop.example/shop/client?x=1",
        "reversed": "https://shop.example/shop/client",
    }


@sides
def test_client_that_would_be_a_proxy(side: str) -> None:
    with running(side, *BELIEVED, "--forwarded-allow-ips", "10.0.0.0/8", cwd=APPS) as server:
        answer = exchange(server.port, "GET", "/client", SAID)
        url = f"http://127.0.0.1:{server.port}/client"
        given = exchange(server.port, "GET", "/client", [*SAID, ("Host", url[7:-7])])
    assert json.loads(answer.body)["client"] == "127.0.0.1"
    assert json.loads(given.body) == {
        "client": "127.0.0.1",
        "secure": False,
        "host": url[7:-7],
        "url": url,
        "reversed": url,
    }


@sides
def test_proxy_header(side: str) -> None:
    with (
        running(side, "--proxy-protocol", cwd=APPS) as server,
        RawClient(server.port) as client,
    ):
        client.send(proxy.binary_line(tlvs=proxy.tlv(0x20, b"\x01" + bytes(4))))
        client.request("GET", "/client", [("Host", "shop.example")])
        facts = json.loads(client.read_response().body)
    assert (facts["client"], facts["secure"]) == (CLIENT, True)
    assert facts["url"] == "https://shop.example/client"
