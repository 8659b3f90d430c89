"""Tests of the page, the limits and who is in the room: ./manage.py test

They need no Channels. Those of the WebSocket are in test_consumer.py.
"""

# ruff: noqa: PT009 (these tests run under Django's runner, which is unittest's)

from unittest.mock import patch

from django.test import SimpleTestCase, TestCase

from .limits import BURST, MAX_LENGTH, SECONDS, Pace
from .presence import INTERVAL, PATIENCE, Presence


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class PageTests(TestCase):
    def test_every_page_leads_to_the_room(self) -> None:
        self.assertContains(self.client.get("/"), 'href="/chat/"')

    def test_by_wsgi_the_page_says_what_it_needs(self) -> None:
        response = self.client.get("/chat/")
        self.assertContains(response, "bascule serve polls<")
        self.assertNotContains(response, "data-socket")

    @patch("chat.views.has_channels", lambda: True)
    def test_by_wsgi_with_asgi_beside_it_the_room_is_there(self) -> None:
        response = self.client.get("/chat/", **{"bascule.hybrid": True})
        self.assertContains(response, 'data-socket="/chat/socket/"')

    @patch("chat.views.has_channels", lambda: True)
    async def test_by_asgi_the_room_is_there(self) -> None:
        response = await self.async_client.get("/chat/")
        self.assertContains(response, 'data-socket="/chat/socket/"')
        self.assertContains(response, f'maxlength="{MAX_LENGTH}"')
        self.assertContains(response, "chat.js")

    @patch("chat.views.has_channels", lambda: False)
    async def test_without_channels_the_page_says_what_it_needs(self) -> None:
        response = await self.async_client.get("/chat/")
        self.assertContains(response, "pip install channels")
        self.assertNotContains(response, "data-socket")


class PaceTests(SimpleTestCase):
    def test_a_burst_is_let_through_and_then_no_more(self) -> None:
        pace = Pace(Clock())
        self.assertEqual([pace.allows() for _ in range(BURST + 1)], [True] * BURST + [False])

    def test_what_was_refused_does_not_count(self) -> None:
        clock = Clock()
        pace = Pace(clock)
        for _ in range(BURST * 3):
            pace.allows()
        clock.now += SECONDS
        self.assertTrue(pace.allows())


class PresenceTests(SimpleTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.presence = Presence(self.clock)

    def test_a_window_counts_once_however_often_it_is_heard(self) -> None:
        heard = [self.presence.heard(channel, "ada") for channel in ("one", "one", "two")]
        self.assertEqual((heard, len(self.presence)), ([True, False, True], 2))

    def test_who_leaves_is_gone_and_a_stranger_cannot_leave(self) -> None:
        self.presence.heard("one", "ada")
        left = [self.presence.left(channel) for channel in ("one", "one", "two")]
        self.assertEqual((left, len(self.presence)), ([True, False, False], 0))

    def test_who_falls_silent_is_forgotten_and_who_goes_on_is_not(self) -> None:
        self.presence.heard("one", "ada")
        self.presence.heard("two", "bob")
        for _ in range(3):
            self.clock.now += INTERVAL
            self.presence.heard("one", "ada")
        self.assertGreater(3 * INTERVAL, PATIENCE)
        self.assertEqual(self.presence.forget_silent(), ["bob"])
        self.assertEqual(len(self.presence), 1)
