"""Requests as hypothesis makes them: valid ones, and valid ones that something happened to."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st

# The same examples in every run: a test that fails now and then is broken. The fuzz targets find
# new cases, which then become a part of the corpus.
EXAMPLES = settings(max_examples=200, deadline=None, derandomize=True, database=None)

TOKEN_LETTERS = "!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
TARGET_LETTERS = TOKEN_LETTERS.replace("#", "/?%:@(),;=[]{}_")
VALUE_LETTERS = "".join(map(chr, (9, *range(0x20, 0x7F), *range(0x80, 0x100))))
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT")
HOSTS = ("a.example", "a.example:8000", "127.0.0.1", "[::1]:80", "my_service")
# Names that mean something to a server are set by the strategies themselves.
RESERVED = {
    *(b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade"),
    *(b"keep-alive", b"proxy-connection", b"te", b"trailer", b"date", b"server"),
}

Fields = list[tuple[bytes, bytes]]

names = st.text(TOKEN_LETTERS, min_size=1, max_size=12).map(str.encode)
plain_names = names.filter(lambda name: name.lower() not in RESERVED)
values = st.text(VALUE_LETTERS, max_size=16).map(lambda text: text.strip(" \t").encode("latin-1"))
fields = st.lists(st.tuples(plain_names, values), max_size=4)
targets = st.text(TARGET_LETTERS, max_size=30).map(lambda text: b"/" + text.encode())
bodies = st.lists(st.binary(min_size=1, max_size=40), max_size=3)


@dataclass(frozen=True)
class Sent:
    """A valid request. `length` is how its body is framed: "length", "chunked", or "none"."""

    method: str
    target: bytes
    fields: Fields
    framing: str
    body: list[bytes]
    trailers: Fields

    @property
    def framing_fields(self) -> Fields:
        if self.framing == "length":
            return [(b"Content-Length", b"%d" % sum(map(len, self.body)))]
        return [(b"Transfer-Encoding", b"chunked")] if self.framing == "chunked" else []

    def data(self) -> bytes:
        """The request as it stands on the wire."""
        head = [self.method.encode() + b" " + self.target + b" HTTP/1.1"]
        head += [name + b": " + value for name, value in self.fields + self.framing_fields]
        return b"\r\n".join((*head, b"", b"")) + self.framed_body()

    def framed_body(self) -> bytes:
        if self.framing != "chunked":
            return b"".join(self.body)
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in self.body)
        trailers = b"".join(b"%b: %b\r\n" % field for field in self.trailers)
        return chunks + b"0\r\n" + trailers + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    host = (b"Host", draw(st.sampled_from(HOSTS)).encode())
    framing = draw(st.sampled_from(("none", "length", "chunked")))
    return Sent(
        draw(st.sampled_from(METHODS)),
        draw(targets),
        [host, *draw(fields)],
        framing,
        [] if framing == "none" else draw(bodies),
        draw(fields) if framing == "chunked" else [],
    )


# Bytes that have confused parsers before, dropped anywhere into a valid request.
CONFUSING = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\n\n",
        b"\r\r\n",
        b" ",
        b"\t",
        b"\x0b",
        b"\x0c",
        b"\0",
    ),
    *(
        b"\x7f",
        b"\x85",
        b"\xa0",
        b"\xff",
        b":",
        b",",
        b";",
        b"#",
        b"?",
        b"*",
        b"/",
        b"//",
        b"@",
        b"_",
    ),
    *(b"0", b"1", b"5", b"+", b"-", b"0x", b"ffffffffffffffff", b";a=b", b';a="b"', b"\r\n "),
    *(
        b"HTTP/1.0",
        b"HTTP/1.1",
        b"HTTP/2.0",
        b"GET",
        b"CONNECT",
        b"chunked",
        b"identity",
        b"close",
    ),
    b"\r\nHost: b.example",
    b"\r\nContent-Length: 3",
    b"\r\nContent-Length: 3, 3",
    b"\r\nTransfer-Encoding: chunked",
    b"\r\nTransfer-Encoding: identity",
    b"\r\nTransfer-Encoding : chunked",
    b"\r\nConnection: close",
    b"\r\nExpect: 100-continue",
    b"\r\nX_Y: z",
    b"\r\nX-A:\r\n",
    b"http://b.example",
    b"\nX-A:b",
    b"\rX-A:b",
]


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """The bytes of a valid request after up to three accidents."""
    data = draw(requests()).data()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        gone = draw(st.integers(0, 3))
        data = data[:at] + draw(st.sampled_from(CONFUSING)) + data[at + gone :]
    return data


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edges = [0, *places, len(data)]
    return [data[start:end] for start, end in pairwise(edges) if end > start]
