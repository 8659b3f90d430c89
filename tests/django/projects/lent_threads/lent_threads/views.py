"""Views that say in which thread they ran, and which connections there were."""

import asyncio
import threading

from asgiref.sync import sync_to_async
from django.db import connection
from django.db.backends.signals import connection_created
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse

PARTIES = 3

created = []
left = {}
parties = threading.Barrier(PARTIES)


def count_created(**signal):
    created.append(threading.get_ident())


connection_created.connect(count_created)


def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return threading.get_ident()


def thread(request):
    return JsonResponse({"thread": query(), "name": threading.current_thread().name})


async def athread(request):
    one, two = await sync_to_async(query)(), await sync_to_async(query)()
    name = await sync_to_async(threading.current_thread)()
    return JsonResponse({"thread": one, "again": two, "name": name.name})


async def connections(request):
    """How many connections were ever opened."""
    return JsonResponse({"created": len(created)})


async def leftover(request):
    """Leave a task that needs a thread after the response."""
    released = asyncio.Event()

    async def later():
        await released.wait()
        left["thread"] = await sync_to_async(threading.get_ident)()
        left["done"].set()

    left.update(task=asyncio.create_task(later()), released=released, done=asyncio.Event())
    return HttpResponse("left")


async def leftover_seen(request):
    left["released"].set()
    async with asyncio.timeout(20):
        await left["done"].wait()
    return HttpResponse("seen")


def together(request):
    """Answer when as many requests as PARTIES are here at once."""
    parties.wait(20)
    return HttpResponse(str(threading.get_ident()))


async def echo(request):
    return HttpResponse(request.body, content_type="application/octet-stream")


async def stream(request):
    async def pieces():
        for number in range(3):
            yield f"{number} {await sync_to_async(threading.active_count)() > 0}\n"

    return StreamingHttpResponse(pieces())


def broken(request):
    raise RuntimeError("broken on purpose")
