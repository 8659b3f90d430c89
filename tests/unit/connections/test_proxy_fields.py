"""Fields of proxies on one connection: whose requests they change, and what the logs name."""

from typing import Any

import pytest
from connection_rig import Rig, request, statuses

from bascule.connections.proxies import ProxyFields
from bascule.protocols.forwarded import X_FORWARDED_FOR, X_FORWARDED_HOST
from bascule.protocols.peers import TrustedPeers

CLIENT = "198.51.100.7"
PROXY = "192.0.2.1:50000"


@pytest.fixture
def trusting(rig: Rig) -> Rig:
    """A rig whose peers are trusted proxies."""
    rig.judge_proxies(proxy_fields(rig, "192.0.2.0/24"))
    return rig


def proxy_fields(rig: Rig, *words: str) -> ProxyFields:
    names = (X_FORWARDED_FOR, X_FORWARDED_HOST)
    return ProxyFields(TrustedPeers(words), names, rig.warn)


def clients_logged(rig: Rig) -> list[str]:
    rig.hub.access.flush()
    text: str = rig._access.getvalue()
    return [line.partition('"client":"')[2].partition('"')[0] for line in text.splitlines()]


def serve(rig: Rig, client: Any, *lines: str) -> Any:
    client.send(request("/", *lines))
    call = rig.calls[-1]
    call.respond()
    return call.scope


def test_access_log_names_the_client_of_each_request(trusting: Rig) -> None:
    client = trusting.connect()
    serve(trusting, client, f"X-Forwarded-For: {CLIENT}:81")
    serve(trusting, client)
    serve(trusting, client, "X-Forwarded-For: 2001:db8::7")
    serve(trusting, client, "X-Forwarded-For: unknown")
    assert statuses(client) == [200] * 4
    assert clients_logged(trusting) == [f"{CLIENT}:81", PROXY, "2001:db8::7", ""]


def test_request_that_is_refused_for_its_body_is_logged_with_its_client(trusting: Rig) -> None:
    client = trusting.connect()
    head = request("/", f"X-Forwarded-For: {CLIENT}", "Transfer-Encoding: chunked", method="POST")
    client.send(head + b"Z\r\n")
    assert statuses(client) == [400]
    assert clients_logged(trusting) == [CLIENT]


def test_pipelined_requests_keep_apart(trusting: Rig) -> None:
    client = trusting.connect()
    client.send(
        request("/1", f"X-Forwarded-For: {CLIENT}")
        + request("/2")
        + request("/3", "X-Forwarded-For: 203.0.113.5")
    )
    for number in range(3):
        trusting.calls[number].respond()
    scopes = [call.scope for call in trusting.calls]
    assert [scope["client"] for scope in scopes] == [
        (CLIENT, 0),
        ("192.0.2.1", 50000),
        ("203.0.113.5", 0),
    ]


def test_warnings_name_the_peer_and_are_of_one_kind(rig: Rig) -> None:
    rig.judge_proxies(proxy_fields(rig, "10.0.0.0/8"))
    client = rig.connect()
    scope = serve(rig, client, f"X-Forwarded-For: {CLIENT}", "X-Real-IP: 1.2.3.4")
    assert scope["headers"] == [(b"host", b"test")]
    assert rig.warnings == [
        (
            "not trusted",
            f"{PROXY} is no trusted proxy (--forwarded-allow-ips): "
            "x-forwarded-for and fields like it are dropped",
        )
    ]


def test_malformed_fields_are_told_of_with_what_is_wrong(trusting: Rig) -> None:
    scope = serve(trusting, trusting.connect(), "X-Forwarded-For: [31mred")
    assert scope["client"] is None
    ((kind, text),) = trusting.warnings
    assert kind == "forwarded"
    assert text == (f"{PROXY}: fields of a proxy that cannot be used: b'[31mred' is no address")


@pytest.mark.parametrize(
    ("lines", "looked"),
    [
        ([], 0),
        (["Accept: */*", "X-Other: 1", "X_Other: 1"], 0),
        (["X-Real-IP: 1.2.3.4"], 1),
    ],
)
def test_requests_without_such_fields_are_not_looked_at(
    rig: Rig, lines: list[str], looked: int
) -> None:
    """Most requests of a server that is not behind a proxy: they cost one test of a flag."""
    seen = []

    class Looking(ProxyFields):
        def look(self, request: Any, endpoint: Any) -> None:
            seen.append(request.path)
            super().look(request, endpoint)

    rig.judge_proxies(Looking(TrustedPeers(["192.0.2.1"]), (X_FORWARDED_FOR,), rig.warn))
    serve(rig, rig.connect(), *lines)
    assert len(seen) == looked
