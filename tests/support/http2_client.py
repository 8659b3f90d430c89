"""A client of an Http2Engine in memory: it sends frames, and reads what the engine writes."""

from bascule.protocols.events import Request
from bascule.protocols.http2.engine import Http2Engine
from bascule.protocols.http2.hpack import Decoder
from bascule.protocols.http2.stream import Stream
from bascule.protocols.limits import Http2Limits, RequestLimits
from bascule.protocols.response_fields import ResponseDefaults
from support import http2_frames as h2
from support.http2_wire import Plain, describe, plain, take

PLENTY = 2**31 - 1


class Http2Client:
    """The engine's peer, past the opening on both sides."""

    def __init__(
        self,
        limits: RequestLimits | None = None,
        own: Http2Limits | None = None,
        defaults: ResponseDefaults | None = None,
        **settings: int,
    ) -> None:
        self.engine = Http2Engine(limits or RequestLimits(), own, defaults=defaults)
        self.decoder = Decoder(4096, 2**20, 2000)
        self.fields: list[h2.Fields] = []
        self.send(h2.PREFACE + h2.settings(**settings))
        self.opening = self.read()

    def send(self, data: bytes) -> list[Plain]:
        """Send frames; returns the events that come of them."""
        self.engine.receive_data(data)
        return [plain(event) for event in take(self.engine)]

    def request(self, stream: int = 1, fields: h2.Fields = h2.GET, *, end: bool = True) -> Stream:
        """Send a request that is in order; returns the engine's side of its stream."""
        self.engine.receive_data(h2.headers(stream, fields, end=end))
        (event,) = take(self.engine)
        assert isinstance(event, Request)
        return self.engine.streams.open[stream]

    def read(self, most: int = PLENTY) -> list[h2.Frame]:
        """The frames that the engine writes; the fields of their blocks go to `fields`."""
        frames = h2.frames_of(bytes(self.engine.take_outgoing(most)))
        block = b""
        for frame in frames:
            if frame.kind in ("headers", "continuation"):
                block += frame.payload
                if frame.flags & h2.END_HEADERS:
                    self.fields.append(self.decoder.decode(block))
                    block = b""
        assert block == b""
        return frames

    def answers(self, most: int = PLENTY) -> list[str]:
        """The same, in the words of the corpus."""
        return [describe(frame) for frame in self.read(most)]

    def body(self, stream: int, most: int = PLENTY) -> bytes:
        """The body of one stream."""
        return b"".join(
            frame.payload
            for frame in self.read(most)
            if frame.kind == "data" and frame.stream == stream
        )
