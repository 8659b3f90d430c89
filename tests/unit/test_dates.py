"""HTTP-date, both ways (RFC 9110 section 5.6.7)."""

import calendar
import time

import pytest

from bascule.dates import http_date, parse_date

# The example of section 5.6.7, in its three forms.
EXAMPLE = 784111777


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ],
)
def test_three_forms_are_read(text: bytes) -> None:
    assert parse_date(text) == EXAMPLE


@pytest.mark.parametrize("seconds", [0, EXAMPLE, 951782400, 1767225599, 4102444800])
def test_written_dates_are_read_back(seconds: int) -> None:
    assert parse_date(http_date(seconds)) == seconds


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0",
        b"784111777",
        b"Sun, 06 Nov 1994 08:49:37",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 31 Nov 1994 08:49:37 GMT",
        b"Sun, 00 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        b"Sunday, 06 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT ",
        b"Sun, 29 Feb 2023 08:49:37 GMT",
        b"\xff" * 29,
    ],
)
def test_everything_else_is_no_date(text: bytes) -> None:
    assert parse_date(text) is None


def test_two_digits_are_the_year_nearest_to_now() -> None:
    this_year = time.gmtime().tm_year
    near, far = (this_year + 49) % 100, (this_year + 51) % 100
    for digits, year in ((near, this_year + 49), (far, this_year - 49)):
        text = b"Monday, 01-Mar-%02d 00:00:00 GMT" % digits
        assert parse_date(text) == calendar.timegm((year, 3, 1, 0, 0, 0))


def test_a_leap_second_is_a_date() -> None:
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT") == calendar.timegm((2017, 1, 1, 0, 0, 0))
