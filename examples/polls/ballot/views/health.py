"""The cheapest answers there are, one of each kind, for load balancers and the like."""

from django.http import HttpRequest, HttpResponse


def ping(request: HttpRequest) -> HttpResponse:
    return HttpResponse("pong\n", content_type="text/plain")


async def aping(request: HttpRequest) -> HttpResponse:
    return HttpResponse("pong\n", content_type="text/plain")
