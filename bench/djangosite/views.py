"""The Django views measured."""

import asyncio

from django.http import HttpResponse, JsonResponse

from apps.payloads import HELLO
from djangosite.models import Question
from djangosite.rows import SHOWN

SLEEP = 0.05


def sync(request):
    return HttpResponse(HELLO, content_type="text/plain; charset=utf-8")


async def asynchronous(request):
    return HttpResponse(HELLO, content_type="text/plain; charset=utf-8")


async def sleeping(request):
    await asyncio.sleep(SLEEP)
    return HttpResponse(HELLO, content_type="text/plain; charset=utf-8")


def orm(request):
    """One query of ten rows; the connection is opened and closed per request, as Django does by
    default.
    """
    return top("default")


def orm_lasting(request):
    """The same with CONN_MAX_AGE: the connection lasts as long as the thread."""
    return top("lasting")


def top(database):
    rows = Question.objects.using(database).order_by("-votes")[:SHOWN]
    return JsonResponse({"questions": [{"text": row.text, "votes": row.votes} for row in rows]})
