"""Results as streams: all votes as CSV, and the standing as server-sent events."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.views.decorators.http import require_safe

from .. import results
from ..models import Question
from ..streams import Stream

LIVE_SECONDS = 60
LIVE_INTERVAL = 0.5
RETRY_MILLISECONDS = 2000


class _Line:
    """A file for csv.writer that hands each line back instead of keeping it."""

    def write(self, text: str) -> str:
        return text


@require_safe
def votes_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """Every vote, the oldest first, without the names of the voters."""
    question = get_object_or_404(Question, pk=pk)
    response = Stream(_csv_lines(question), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="votes-{question.pk}.csv"'
    return response


def _csv_lines(question: Question) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(["cast at", "choice"])
    votes = question.votes.values_list("cast_at", "choice__text")
    for cast_at, choice in votes.iterator(chunk_size=500):
        yield writer.writerow([cast_at.isoformat(timespec="seconds"), _cell(choice)])


def _cell(text: str) -> str:
    """Spreadsheets run a cell that begins like a formula; the apostrophe makes it a text."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


@require_safe
async def live(request: HttpRequest, pk: int) -> HttpResponse:
    """The standing now, and under ASGI each time it changes, for a minute.

    A browser comes back by itself when the stream ends. Under WSGI it ends after the first event,
    because a waiting stream would hold a thread: the page then asks again every two seconds.
    """
    question = await aget_object_or_404(Question, pk=pk)
    if hasattr(request, "scope"):
        response = StreamingHttpResponse(_changes(question))
    else:
        response = HttpResponse(_preamble() + _event(await _standing(question)))
    response["Content-Type"] = "text/event-stream"
    response["Cache-Control"] = "no-cache"
    return response


async def _changes(question: Question) -> AsyncIterator[str]:
    yield _preamble()
    shown = None
    for _ in range(int(LIVE_SECONDS / LIVE_INTERVAL)):
        standing = await _standing(question)
        if standing != shown:
            shown = standing
            yield _event(standing)
        await asyncio.sleep(LIVE_INTERVAL)


async def _standing(question: Question) -> str:
    choices = [choice async for choice in question.choices.with_votes()]
    return json.dumps(results.summary(question, choices))


def _preamble() -> str:
    return f"retry: {RETRY_MILLISECONDS}\n\n"


def _event(data: str) -> str:
    return f"event: results\ndata: {data}\n\n"
