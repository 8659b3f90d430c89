"""The time of log lines, in the zone that the process had when its log was opened."""

import time

import pytest

from bascule.observability import stamps

SUMMER, WINTER = 1753000000, 1735000000


@pytest.fixture
def zone(monkeypatch):
    """Sets the zone of this process, as Django's settings do."""

    def put(name):
        if name is None:
            monkeypatch.delenv("TZ", raising=False)
        else:
            monkeypatch.setenv("TZ", name)
        time.tzset()

    monkeypatch.setattr(stamps.Remembered, "zone", None)
    yield put
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("name", "summer"),
    [
        ("Europe/Berlin", "2025-07-20T10:26:40+02:00"),
        (":America/New_York", "2025-07-20T04:26:40-04:00"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2025-07-20T10:26:40+02:00"),
        ("<+0330>-3:30", "2025-07-20T11:56:40+03:30"),
        ("UTC", "2025-07-20T08:26:40+00:00"),
        ("", "2025-07-20T08:26:40+00:00"),
        ("no/such zone", "2025-07-20T08:26:40+00:00"),
    ],
)
def test_the_zone_stays_when_the_application_changes_it(zone, name, summer):
    zone(name)
    stamps.remember_zone()
    before = [stamps.Stamp()(moment) for moment in (SUMMER, WINTER)]
    assert before[0] == summer
    zone("Asia/Tokyo")
    # The access log is opened when the application has been imported.
    assert [stamps.Stamp()(moment) for moment in (SUMMER, WINTER)] == before


def test_the_zone_of_the_system_stays(zone):
    zone(None)
    stamps.remember_zone()
    before = stamps.Stamp()(SUMMER)
    zone("Asia/Kathmandu")
    assert stamps.Stamp()(SUMMER) == before


def test_the_zone_stays_in_short_lines(zone):
    zone("Europe/Berlin")
    stamps.remember_zone()
    zone("Asia/Tokyo")
    assert stamps.Stamp(short=True)(SUMMER) == "10:26:40"


def test_nobody_remembers_a_zone_for_who_configures_no_log(zone):
    zone("Asia/Tokyo")
    assert stamps.Stamp()(SUMMER) == "2025-07-20T17:26:40+09:00"
