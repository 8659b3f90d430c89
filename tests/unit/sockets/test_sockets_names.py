"""Distinguished names as text, after the rules and examples of RFC 4514."""

import pytest

from bascule.sockets.names import distinguished_name


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ((), ""),
        (
            ((("countryName", "DE"),), (("organizationName", "X"),), (("commonName", "Y"),)),
            "CN=Y,O=X,C=DE",
        ),
        (((("commonName", "Y"), ("userId", "7")),), "CN=Y+UID=7"),
        (((("emailAddress", "a@b.test"),),), "emailAddress=a@b.test"),
        (((("commonName", 'a"+,;<>\\=b'),),), r"CN=a\"\+\,\;\<\>\\=b"),
        (((("commonName", " #a# "),),), r"CN=\ #a#\ "),
        (((("commonName", "#a b"),),), r"CN=\#a b"),
        (((("commonName", " "),),), r"CN=\ "),
        (((("commonName", "a\0b\r\n\x7f"),),), r"CN=a\00b\0d\0a\7f"),
        (((("commonName", "Jürgen"),),), "CN=Jürgen"),
    ],
)
def test_names(subject, text):
    assert distinguished_name(subject) == text
