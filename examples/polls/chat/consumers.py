"""One window's end of the room: a WebSocket on one side, the channel layer on the other.

The browser sends plain text, one message a frame. It gets JSON, one event a frame:

    joined, left    name, people: how many are in the room now
    people          people: the number changed, but no person came or left
    said            name, text
    refused         text: the reason why the text was not sent to the others

`mine` tells whether an event comes from the window that gets it, and `guest` whether the name
stands for anybody without an account, so that an account called "guest" is not taken for one.

The windows tell each other, each message with who it is from:

    chat.join       to all: I am new here. All others answer with chat.here, to the new one alone
    chat.here       I am here; also to all, now and then
    chat.say        to all, with the text
    chat.leave      to all
"""

import asyncio
import json
from typing import Any

from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncWebsocketConsumer

from .limits import BURST, MAX_LENGTH, SECONDS, Pace
from .presence import INTERVAL, Presence

ROOM = "chat"
UNSUPPORTED_DATA = 1003


class RoomConsumer(AsyncWebsocketConsumer):
    """A person in the room: joined when the handshake is through, until the connection ends."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve the connection, and leave the room however it ends.

        Channels calls `disconnect` only where the server reports the end. A failure on the way or
        a server that is stopped must not leave a ghost behind.
        """
        self.presence = Presence()
        self.pace = Pace()
        self.heart: asyncio.Task[None] | None = None
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.heart is not None:
                await self.leave(self.heart)

    async def connect(self) -> None:
        user = self.scope["user"]
        is_guest = not user.is_authenticated
        name = "guest" if is_guest else user.get_username()
        self.me = {"channel": self.channel_name, "name": name, "guest": is_guest}
        await self.channel_layer.group_add(ROOM, self.channel_name)
        self.heart = asyncio.create_task(self.beat())
        await self.accept()
        await self.tell_all("chat.join")

    async def leave(self, heart: asyncio.Task[None]) -> None:
        """The heart stops first: a beat after the goodbye would bring the person back."""
        heart.cancel()
        await asyncio.wait([heart])
        await self.channel_layer.group_discard(ROOM, self.channel_name)
        await self.tell_all("chat.leave")

    async def beat(self) -> None:
        """Say "here" now and then.

        A place in the group ends after a day, or when Redis is started anew: it is renewed too.
        """
        while True:
            await asyncio.sleep(INTERVAL)
            await self.channel_layer.group_add(ROOM, self.channel_name)
            await self.tell_all("chat.here")

    async def tell_all(self, kind: str, **more: str) -> None:
        await self.channel_layer.group_send(ROOM, {"type": kind, **self.me, **more})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Data of the browser. The page keeps to the limits, and they are checked here as well."""
        if text_data is None:
            await self.close(UNSUPPORTED_DATA, "text only")
            return
        text = text_data.strip()
        if len(text) > MAX_LENGTH:
            await self.show("refused", text=f"A message has at most {MAX_LENGTH} letters.")
        elif text and not self.pace.allows():
            limit = f"{BURST} messages in {SECONDS:.0f} seconds"
            await self.show("refused", text=f"That was faster than {limit}. Say it again.")
        elif text:
            await self.tell_all("chat.say", text=text)

    async def chat_join(self, event: dict[str, Any]) -> None:
        self.presence.heard(event["channel"], event["name"])
        await self.show_from("joined", event, people=len(self.presence))
        if event["channel"] != self.channel_name:
            await self.answer(event["channel"])

    async def answer(self, channel: str) -> None:
        try:
            await self.channel_layer.send(channel, {"type": "chat.here", **self.me})
        except ChannelFull:
            pass  # the next beat tells it

    async def chat_here(self, event: dict[str, Any]) -> None:
        """A sign of life. Each window also gets its own, so silent windows are noticed soon."""
        is_new = self.presence.heard(event["channel"], event["name"])
        silent = self.presence.forget_silent()
        for name in silent:
            await self.show("left", name=name, people=len(self.presence))
        if is_new:
            await self.show("people", people=len(self.presence))

    async def chat_say(self, event: dict[str, Any]) -> None:
        await self.show_from("said", event, text=event["text"])

    async def chat_leave(self, event: dict[str, Any]) -> None:
        if self.presence.left(event["channel"]):
            await self.show_from("left", event, people=len(self.presence))

    async def show_from(self, kind: str, event: dict[str, Any], **more: Any) -> None:
        """Show what the window that sent `event` did."""
        is_mine = event["channel"] == self.channel_name
        await self.show(kind, name=event["name"], guest=event["guest"], mine=is_mine, **more)

    async def show(self, kind: str, **fields: Any) -> None:
        await self.send(json.dumps({"event": kind, **fields}))
