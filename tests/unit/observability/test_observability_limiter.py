"""Warnings that clients can cause, with the time given by hand."""

import logging

import pytest

from bascule.observability.limiter import RateLimited

logger = logging.getLogger("bascule.test")


@pytest.fixture
def limited(caplog):
    caplog.set_level(logging.WARNING, logger.name)
    return RateLimited(logger, 10.0)


def said(caplog):
    lines = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return lines


def test_the_first_of_a_kind_is_logged_at_once(limited, caplog):
    limited.warning("slow", "10.0.0.1 is slow", 0.0)
    limited.warning("large", "10.0.0.1 sends much", 0.0)
    assert said(caplog) == ["10.0.0.1 is slow", "10.0.0.1 sends much"]


def test_more_of_a_kind_are_counted_and_told_with_the_next(limited, caplog):
    limited.warning("slow", "first", 100.0)
    limited.warning("slow", "second", 101.0)
    limited.warning("slow", "third", 109.9)
    assert said(caplog) == ["first"]
    limited.warning("slow", "fourth", 112.0)
    assert said(caplog) == ["2 more like this in 12 s (slow), the last: third"]
    limited.warning("slow", "fifth", 121.0)
    assert said(caplog) == []
    limited.flush(122.0)
    assert said(caplog) == ["2 more like this in 10 s (slow), the last: fifth"]


def test_counts_that_are_due_are_told_by_a_tick(limited, caplog):
    limited.warning("slow", "first", 0.0)
    limited.warning("slow", "second", 1.0)
    caplog.clear()
    limited.flush(9.9)
    assert said(caplog) == []
    limited.flush(10.0)
    assert said(caplog) == ["1 more like this in 10 s (slow), the last: second"]
    limited.flush(30.0)
    assert said(caplog) == []


def test_after_a_quiet_interval_the_next_is_a_first_again(limited, caplog):
    limited.warning("slow", "first", 0.0)
    limited.warning("slow", "later", 10.0)
    assert said(caplog) == ["first", "later"]


def test_a_flood_costs_one_line_an_interval(limited, caplog):
    for number in range(10_000):
        limited.warning("slow", f"client {number}", number * 0.01)  # 100 seconds
    limited.flush(110.0)
    assert len(said(caplog)) <= 11


def test_a_message_is_not_a_format(limited, caplog):
    limited.warning("odd", "GET /%s/%d", 0.0)
    assert said(caplog) == ["GET /%s/%d"]
