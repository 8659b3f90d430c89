"""Asks a server over HTTP/2, from Python, with another client than the load's."""

import ssl

import httpx

from harness.certificate import CERT
from harness.scenarios import Scenario, WrongAnswer

TIMEOUT = 10.0


def exchange(scenario: Scenario, port: int, requests: int) -> str:
    """So many requests on one connection, the whole answers checked: with prior knowledge in
    cleartext, by ALPN over TLS. Returns the TLS cipher or "". Raises `OSError` while the server
    cannot be reached, and `WrongAnswer`.
    """
    trusted = ssl.create_default_context(cafile=CERT) if scenario.with_tls else True
    url = f"{scenario.scheme}://127.0.0.1:{port}{scenario.path}"
    body = b"e" * scenario.post_size or None
    connections, cipher = set(), ""
    try:
        with httpx.Client(
            http1=False, http2=True, verify=trusted, trust_env=False, timeout=TIMEOUT
        ) as client:
            for _ in range(requests):
                answer = client.request("POST" if body else "GET", url, content=body)
                check(answer, scenario)
                stream = answer.extensions["network_stream"]
                connections.add(stream.get_extra_info("client_addr"))
                tls = stream.get_extra_info("ssl_object")
                cipher = f"{tls.version()} {tls.cipher()[0]}" if tls else ""
    except httpx.TransportError as error:
        raise ConnectionError(f"no answer over HTTP/2: {error!r}") from error
    if len(connections) != 1:
        raise WrongAnswer("the connection is not kept alive")
    return cipher


def check(answer: httpx.Response, scenario: Scenario) -> None:
    if answer.http_version != "HTTP/2":
        raise WrongAnswer(f"answered by {answer.http_version} instead of HTTP/2")
    if answer.status_code != 200:
        raise WrongAnswer(f"status {answer.status_code} instead of 200")
    if answer.content != scenario.expected:
        raise WrongAnswer(
            f"wrong body: {len(answer.content)} bytes, starting with {answer.content[:60]!r}"
        )
