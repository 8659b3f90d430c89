"""The ceiling of the WebSocket scenarios: picows itself, without ASGI and without an app.

python bare_websocket.py APP PORT    APP is the scenario's app, of which only the name counts
"""

import sys

import uvloop
from picows import WSListener, WSMsgType, ws_create_server

from apps.payloads import JOINED

BUFFER = 32 * 1024  # a whole message of the largest scenario
BACKLOG = 2048

members = set()


class Echo(WSListener):
    """Sends back whatever comes."""

    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            self.answer(transport, frame.msg_type, frame.get_payload_as_bytes())

    def answer(self, transport, kind, message):
        transport.send(kind, message)


class Broadcast(Echo):
    """Sends to all connections whatever comes."""

    def on_ws_connected(self, transport):
        members.add(transport)
        transport.send(WSMsgType.TEXT, JOINED.encode())

    def on_ws_disconnected(self, transport):
        members.discard(transport)

    def answer(self, transport, kind, message):
        for member in members:
            member.send(kind, message)


async def serve(app: str, port: int) -> None:
    listener = {"echo_websocket": Echo, "broadcast": Broadcast}[app.rpartition(":")[2]]
    server = await ws_create_server(
        lambda request: listener(),
        "127.0.0.1",
        port,
        read_buffer_init_size=BUFFER,
        backlog=BACKLOG,
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
