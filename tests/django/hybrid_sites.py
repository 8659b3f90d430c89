"""The projects of these tests, and how their answers are compared."""

import re
from dataclasses import dataclass
from pathlib import Path

from support.client import Http1Client

EDGES = Path(__file__).parent / "projects" / "hybrid_edges"
THIRD_PARTY = Path(__file__).parent / "projects" / "third_party"

# Values that differ from request to request, or with the side.
# The time of the response, in Expires: three answers may be made in two seconds.
NOW = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
OWN_FIELDS = {"date", "server", "x-interface"}
TOKEN = re.compile(rb'(name="csrfmiddlewaretoken" value=")\w+')
COOKIE = re.compile(r"^(csrftoken|sessionid)=\w+|expires=[^;]+|(?<=:)[\w-]{6}:[\w-]{43}(?=;)")


@dataclass(frozen=True)
class Answer:
    """The part of a response that is the same from both sides."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes


def ask(
    port: int,
    target: str,
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes | None = None,
) -> tuple[Answer, str | None]:
    """One request on a connection of its own: the answer, and which side it says it is from."""
    client = Http1Client(port)
    try:
        fields = [("host", "testserver"), *headers]
        response = client.request(method, target, fields, body)
    finally:
        client.close()
    kept = sorted(
        (name, comparable_value(value))
        for name, value in response.headers
        if name not in OWN_FIELDS
    )
    answer = Answer(response.status, tuple(kept), comparable_body(response.body))
    return answer, response.header("x-interface")


def comparable_value(value: str) -> str:
    """The value of a field, without what is another in each answer."""
    return NOW.sub("*", COOKIE.sub("*", value))


def comparable_body(body: bytes) -> bytes:
    return TOKEN.sub(rb"\1*", body)
