"""Distinguished names as text (RFC 4514), from what `ssl` makes of a certificate."""

import re
from collections.abc import Sequence

# RFC 4514 section 3. Other attributes keep the name that OpenSSL has for them.
SHORT_NAMES = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}

# RFC 4514 section 2.4: separators anywhere, "#" and space at the ends. Control characters too: the
# name ends up in logs and headers.
SPECIAL = re.compile(r'[\x00-\x1f\x7f"+,;<>\\]|^[ #]| $')

RelativeName = Sequence[tuple[str, str]]


def distinguished_name(subject: Sequence[RelativeName]) -> str:
    """A name as one string, its most specific part first (RFC 4514 section 2.1).

    subject: the parts as the `subject` of SSLObject.getpeercert() has them, least specific first.
    """
    return ",".join("+".join(map(_attribute, part)) for part in reversed(subject))


def _attribute(attribute: tuple[str, str]) -> str:
    kind, value = attribute
    return f"{SHORT_NAMES.get(kind, kind)}={SPECIAL.sub(_escape, value)}"


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "\\" + character if character.isprintable() else f"\\{ord(character):02x}"
