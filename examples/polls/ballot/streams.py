"""Streaming responses that flow under WSGI and under ASGI alike.

Django streams a synchronous iterator under WSGI as one would expect. Under ASGI it collects all of
it first, and warns. The responses here fetch it in pieces on a thread instead, so that a long
export begins at once and is never in memory as a whole.
"""

from collections.abc import AsyncIterator
from itertools import islice

from asgiref.sync import sync_to_async
from django.http import FileResponse, StreamingHttpResponse

# Going to a thread and back takes longer than making a part does: it should pay for several.
PARTS_PER_HOP = 50


class FetchedInThread:
    """Gives a streaming response with a synchronous iterator an asynchronous one besides."""

    streaming_content: object

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts = iter(self.streaming_content)  # type: ignore[call-overload]
        while batch := await sync_to_async(list)(islice(parts, PARTS_PER_HOP)):
            for part in batch:
                yield part


class Stream(FetchedInThread, StreamingHttpResponse):
    """Parts from a generator."""


class FileStream(FetchedInThread, FileResponse):
    """An open file. Under WSGI it goes out by `wsgi.file_wrapper`, which can become a sendfile."""

    block_size = 32_768
