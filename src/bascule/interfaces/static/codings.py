"""Choosing a precompressed file by Accept-Encoding (RFC 9110 section 12.5.3)."""

import re
from dataclasses import dataclass

ELEMENT = re.compile(
    rb"(?P<coding>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)"
    rb"(?:[ \t]*;[ \t]*[qQ]=(?P<weight>0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?"
)
IDENTITY = b"identity"
ANY = b"*"


@dataclass(frozen=True, slots=True)
class Coding:
    """A content coding of a file that lies beside the plain one.

    name: in Content-Encoding.
    suffix: behind the name of the plain file.
    """

    name: bytes
    suffix: bytes


# The better compression first: of two that a client likes as much, the first is sent.
CODINGS = (Coding(b"br", b".br"), Coding(b"zstd", b".zst"), Coding(b"gzip", b".gz"))
# Section 8.4.1.3: "x-gzip" is "gzip".
ALIASES = {b"x-gzip": b"gzip"}


def weights(value: bytes) -> dict[bytes, int]:
    """Read Accept-Encoding: thousandths by coding. Elements that are malformed are left out."""
    found: dict[bytes, int] = {}
    for element in value.split(b","):
        match = ELEMENT.fullmatch(element.strip(b" \t"))
        if match is not None:
            name = match["coding"].lower()
            weight = match["weight"]
            found[ALIASES.get(name, name)] = (
                1000 if weight is None else round(float(weight) * 1000)
            )
    return found


def acceptable(value: bytes | None) -> list[Coding]:
    """Return the codings to look for, the best first; those that the client likes less than the
    plain file are not among them. value: Accept-Encoding, None where it is missing."""
    if not value:
        # Without the field any coding would do, but clients without it seldom decode one.
        return []
    wanted = weights(value)
    rest = wanted.get(ANY, 0)
    plain = wanted.get(IDENTITY, 0)
    found = [(wanted.get(coding.name, rest), coding) for coding in CODINGS]
    found = [(weight, coding) for weight, coding in found if weight > 0 and weight >= plain]
    return [coding for _, coding in sorted(found, key=lambda pair: -pair[0])]
