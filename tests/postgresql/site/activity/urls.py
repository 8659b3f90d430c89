"""Views that ask the database, and some that answer how many connections the project has while
they run."""

from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.urls import path

from activity.models import Connection, Database

OURS = Connection.objects.filter(application_name="activity")
NAMED = Database.objects.filter(datname="postgres")


def query(request):
    return HttpResponse(NAMED.count())


def connections(request):
    return HttpResponse(OURS.count())


async def query_async(request):
    return HttpResponse(await NAMED.acount())


async def query_in_thread(request):
    return HttpResponse(await sync_to_async(NAMED.count)())


async def connections_async(request):
    """A request keeps its connection from one query to the next."""
    await NAMED.acount()
    return HttpResponse(await OURS.acount())


urlpatterns = [
    path("wsgi/query/", query),
    path("wsgi/connections/", connections),
    path("asgi/query/", query_async),
    path("asgi/thread/", query_in_thread),
    path("asgi/connections/", connections_async),
]
