"""Tests of the WebSocket, behind the whole of polls/asgi.py: ./manage.py test"""

# ruff: noqa: PT009 (these tests run under Django's runner, which is unittest's)

import json
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client, TransactionTestCase, override_settings

from . import has_channels

if not has_channels():
    raise unittest.SkipTest("Channels is not installed")

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from polls.asgi import application

from . import consumers
from .limits import BURST, MAX_LENGTH

OURS = b"http://testserver"


class Window:
    """A browser: it opens a WebSocket, sends text, and receives events.

    Channels has such a thing in channels.testing, which does not load without Daphne.
    """

    def __init__(
        self, path: str = "/chat/socket/", origin: bytes = OURS, cookie: bytes = b""
    ) -> None:
        headers = [(b"origin", origin), (b"cookie", cookie)]
        scope = {"type": "websocket", "path": path, "headers": headers, "subprotocols": []}
        self.server = ApplicationCommunicator(application, scope)

    async def answer(self) -> dict[str, Any]:
        """The next message from the application to the server."""
        return await self.server.receive_output()

    async def opens(self) -> bool:
        await self.server.send_input({"type": "websocket.connect"})
        return (await self.answer())["type"] == "websocket.accept"

    async def say(self, text: str) -> None:
        await self.server.send_input({"type": "websocket.receive", "text": text})

    async def event(self) -> dict[str, Any]:
        return json.loads((await self.answer())["text"])

    async def close(self) -> None:
        await self.server.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.server.wait()


@asynccontextmanager
async def window(cookie: bytes = b"") -> AsyncIterator[Window]:
    """A window in the room: a guest's, or of the person whose session `cookie` has."""
    opened = Window(cookie=cookie)
    assert await opened.opens()
    yield opened
    await opened.close()


def cookie_of(name: str) -> bytes:
    """Make the user `name`, and log in."""
    client = Client()
    client.force_login(get_user_model().objects.create_user(name))
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return f"{settings.SESSION_COOKIE_NAME}={session}".encode()


def said(name: str, text: str, *, mine: bool, guest: bool = True) -> dict[str, Any]:
    return {"event": "said", "name": name, "guest": guest, "mine": mine, "text": text}


@override_settings(CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}})
class RoomTests(TransactionTestCase):
    async def test_who_joins_and_leaves_is_told_and_counted(self) -> None:
        async with window() as first:
            own = await first.event()
            async with window() as second:
                seen = [await first.event(), await second.event(), await second.event()]
            gone = await first.event()
        joined = {"event": "joined", "name": "guest", "guest": True}
        self.assertEqual(own, {**joined, "mine": True, "people": 1})
        self.assertEqual(seen[0], {**joined, "mine": False, "people": 2})
        self.assertEqual(seen[1], {**joined, "mine": True, "people": 1})
        self.assertEqual(seen[2], {"event": "people", "people": 2})
        self.assertEqual(gone, {**joined, "event": "left", "mine": False, "people": 1})

    async def test_what_one_says_all_get(self) -> None:
        async with window() as first, window() as second:
            await first.event()
            await first.event()
            await second.event()
            await second.event()
            await first.say("  <b>Hello</b> 🧀 ")
            self.assertEqual(await first.event(), said("guest", "<b>Hello</b> 🧀", mine=True))
            self.assertEqual(await second.event(), said("guest", "<b>Hello</b> 🧀", mine=False))

    async def test_who_is_logged_in_talks_under_the_own_name(self) -> None:
        async with window(await database_sync_to_async(cookie_of)("ada")) as ada:
            joined = await ada.event()
            self.assertEqual((joined["name"], joined["guest"]), ("ada", False))
            await ada.say("Hello")
            self.assertEqual(await ada.event(), said("ada", "Hello", mine=True, guest=False))

    async def test_nothing_is_said_with_nothing_in_it(self) -> None:
        async with window() as alone:
            await alone.event()
            await alone.say(" \n ")
            await alone.say("something")
            self.assertEqual(await alone.event(), said("guest", "something", mine=True))

    async def test_a_message_that_is_too_long_goes_to_nobody(self) -> None:
        async with window() as alone:
            await alone.event()
            await alone.say("ä" * (MAX_LENGTH + 1))
            self.assertEqual((await alone.event())["event"], "refused")
            await alone.say("ä" * MAX_LENGTH)
            self.assertEqual(len((await alone.event())["text"]), MAX_LENGTH)

    async def test_a_flood_is_stopped(self) -> None:
        async with window() as alone:
            await alone.event()
            for number in range(BURST + 1):
                await alone.say(str(number))
            events = [(await alone.event())["event"] for _ in range(BURST + 1)]
            self.assertEqual(sorted(events), ["refused"] + ["said"] * BURST)

    async def test_binary_messages_end_the_connection(self) -> None:
        async with window() as alone:
            await alone.event()
            await alone.server.send_input({"type": "websocket.receive", "bytes": b"\0"})
            closed = await alone.answer()
            self.assertEqual((closed["type"], closed["code"]), ("websocket.close", 1003))

    async def test_who_went_without_a_word_is_missed(self) -> None:
        """The beats of the others show it. Here they come quickly, and patience is short."""
        with (
            patch("chat.presence.PATIENCE", 0.2),
            patch.object(consumers, "INTERVAL", 0.05),
        ):
            async with window() as alone:
                await alone.event()
                ghost = {"type": "chat.here", "channel": "ghost", "name": "bob", "guest": False}
                await get_channel_layer().group_send(consumers.ROOM, ghost)
                seen = [await alone.event(), await alone.event()]
        self.assertEqual(seen[0], {"event": "people", "people": 2})
        self.assertEqual(seen[1], {"event": "left", "name": "bob", "people": 1})


class HandshakeTests(TransactionTestCase):
    async def test_a_page_of_another_site_is_refused(self) -> None:
        self.assertFalse(await Window(origin=b"http://elsewhere.example").opens())

    async def test_an_unknown_address_is_refused(self) -> None:
        self.assertFalse(await Window(path="/chat/nowhere/").opens())
