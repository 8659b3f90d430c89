"""A Channels project in one file: a line of a device appears in every WebSocket."""

from django.conf import settings

settings.configure(
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    SECRET_KEY="for tests",
)

from channels.consumer import AsyncConsumer  # noqa: E402  # needs settings
from channels.exceptions import StopConsumer  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter  # noqa: E402


class Device(AsyncConsumer):
    async def tcp_connect(self, message):
        await self.send({"type": "tcp.accept"})

    async def tcp_receive(self, message):
        text = message["bytes"].decode()
        await self.channel_layer.group_send("lines", {"type": "line", "text": text})
        if not message["more"]:
            await self.send({"type": "tcp.close"})

    async def tcp_stopping(self, message):
        await self.send({"type": "tcp.close"})

    async def tcp_disconnect(self, message):
        raise StopConsumer


class Browser(AsyncWebsocketConsumer):
    async def connect(self):
        await self.channel_layer.group_add("lines", self.channel_name)
        await self.accept()

    async def line(self, event):
        await self.send(text_data=event["text"])

    async def disconnect(self, code):
        await self.channel_layer.group_discard("lines", self.channel_name)


app = ProtocolTypeRouter({"websocket": Browser.as_asgi(), "tcp": Device.as_asgi()})
