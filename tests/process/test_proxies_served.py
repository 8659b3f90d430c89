"""Behind proxies, on real processes: flags, variables, the access log, what is refused."""

import json
import os
import re
import socket
import tempfile
from pathlib import Path

import pytest

from support import proxy
from support.commands import bascule, started
from support.http import RawClient, exchange
from support.server import running

APPS = Path(__file__).parent / "apps"
CLIENT = "198.51.100.7"
SAID = [
    ("X-Forwarded-For", f"6.6.6.6, {CLIENT}:4321"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "example.com"),
    ("X-Forwarded-Prefix", "/shop"),
]

applications = pytest.mark.parametrize("app", ["process_client:asgi", "process_client:wsgi"])


def ask(server, *fields):
    return json.loads(exchange(server.port, "GET", "/page", fields).body)


@applications
def test_defaults(app):
    """The fields of a proxy on the same machine give client and scheme, as under Uvicorn; the
    access log names the same client."""
    with running(app, "--lifespan", "off", cwd=APPS) as server:
        facts = ask(server, *SAID)
        assert server.stop() == 0
        output = server.output()
    assert facts == {
        "client": CLIENT,
        "scheme": "https",
        "host": "127.0.0.1",
        "root": "",
        "seen": True,
    }
    assert f' {CLIENT}:4321 - "GET /page HTTP/1.1" 200 ' in output
    assert "WARNING" not in output


@applications
def test_everything_believed(app):
    names = "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-prefix"
    options = ("--lifespan", "off", "--forwarded-headers", names)
    with running(app, *options, cwd=APPS) as server:
        facts = ask(server, *SAID)
    assert (facts["host"], facts["root"]) == ("example.com", "/shop")


@pytest.mark.parametrize(
    ("args", "env", "client"),
    [
        (["--forwarded-allow-ips", "10.0.0.0/8"], {}, None),
        (["--forwarded-allow-ips", "10.0.0.0/8,127.0.0.0/8"], {}, CLIENT),
        (["--forwarded-allow-ips", "10.0.0.1", "--forwarded-allow-ips", "127.0.0.1"], {}, CLIENT),
        # If all peers are trusted, the leftmost address is the client.
        (["--forwarded-allow-ips", "*"], {}, "6.6.6.6"),
        (["--forwarded-allow-ips", ""], {}, None),
        ([], {"FORWARDED_ALLOW_IPS": "10.0.0.1"}, None),
        ([], {"FORWARDED_ALLOW_IPS": "10.0.0.1, 127.0.0.1"}, CLIENT),
        ([], {"FORWARDED_ALLOW_IPS": "*", "BASCULE_FORWARDED_ALLOW_IPS": "10.0.0.1"}, None),
        (["--forwarded-allow-ips", "*"], {"FORWARDED_ALLOW_IPS": "10.0.0.1"}, "6.6.6.6"),
    ],
)
def test_who_is_trusted(args, env, client):
    with running("process_client:wsgi", *args, cwd=APPS, env=env) as server:
        facts = ask(server, *SAID)
        ask(server, *SAID)
        assert server.stop() == 0
        output = server.output()
    trusted = client is not None
    assert facts["client"] == (client or "127.0.0.1")
    assert facts["scheme"] == ("https" if trusted else "http")
    assert facts["seen"] is trusted
    # Once, however many requests there are.
    line = "is no trusted proxy (--forwarded-allow-ips): x-forwarded-for and fields like it"
    assert output.count(line) == (not trusted)


def test_no_proxy_headers():
    with running("process_client:wsgi", "--no-proxy-headers", cwd=APPS) as server:
        facts = ask(server, *SAID)
    assert (facts["client"], facts["scheme"], facts["seen"]) == ("127.0.0.1", "http", True)


@applications
def test_behind_a_unix_socket(app):
    with tempfile.TemporaryDirectory(prefix="bascule-") as directory:
        path = os.path.join(directory, "s")
        options = ("--uds", path, "--forwarded-allow-ips", "unix", "--lifespan", "off")
        with started("serve", app, *options, cwd=APPS) as server:
            server.wait_for_output("listening on unix:")
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(20)
            sock.connect(path)
            with RawClient(sock=sock) as client:
                client.request("GET", "/page", SAID)
                facts = json.loads(client.read_response().body)
            assert server.stop() == 0
            output = server.output()
    assert (facts["client"], facts["scheme"]) == (CLIENT, "https")
    assert f' {CLIENT}:4321 - "GET /page HTTP/1.1" 200 ' in output


@applications
@pytest.mark.parametrize("header", [proxy.line(), proxy.binary_line()], ids=["v1", "v2"])
def test_proxy_protocol(app, header):
    with running(app, "--proxy-protocol", "--lifespan", "off", cwd=APPS) as server:
        with RawClient(server.port) as client:
            client.send(header)
            client.request("GET", "/page")
            facts = json.loads(client.read_response().body)
        with RawClient(server.port) as client:
            client.request("GET", "/page")
            assert client.read_to_end() == b""
        assert server.stop() == 0
        output = server.output()
    assert (facts["client"], facts["scheme"]) == (CLIENT, "http")
    assert f' {CLIENT}:50000 - "GET /page HTTP/1.1" 200 ' in output
    assert output.count("127.0.0.1 sends no PROXY header: connection closed") == 1


def test_refused_requests_name_the_client_of_the_proxy_header():
    with running("process_client:wsgi", "--proxy-protocol", cwd=APPS) as server:
        with RawClient(server.port) as client:
            client.send(proxy.line() + b"GET / HTTP/1.1\r\n\r\n")
            assert client.read_response().status == 400
        server.wait_for_output(f"{CLIENT}:50000: 400 no Host field")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--forwarded-allow-ips", "localhost"], "'localhost', which is neither an address nor"),
        (["--forwarded-allow-ips", "10.0.0.1/8"], "the network is 10.0.0.0/8"),
        (["--proxy-allow-ips", "/run/x"], "'/run/x', which is neither an address nor a network"),
        (["--forwarded-headers", "x-real-ip"], "'x-real-ip', which is not one of the choices"),
    ],
)
def test_wrong_settings(args, sentence):
    done = bascule("serve", "process_client:wsgi", *args, cwd=APPS)
    assert done.returncode == 2
    assert sentence in re.sub(r"\s+", " ", done.stderr)


def test_settings_are_shown():
    done = bascule("config", "process_client:wsgi", "--proxy-protocol", cwd=APPS)
    assert done.returncode == 0
    text = re.sub(r" +", " ", done.stdout)
    assert "127.0.0.1" in text
    for name in ("forwarded_allow_ips", "forwarded_headers", "proxy_protocol", "proxy_headers"):
        assert name in text
