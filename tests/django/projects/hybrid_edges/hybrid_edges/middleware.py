"""Middleware that tells the side, and middleware that takes another URLconf."""

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware


@sync_and_async_middleware
def tell_side(get_response):
    """Says in a field of each response which handler served it."""

    def told(request, response):
        response["X-Interface"] = "asgi" if hasattr(request, "scope") else "wsgi"
        return response

    if iscoroutinefunction(get_response):

        async def middleware(request):
            return told(request, await get_response(request))
    else:

        def middleware(request):
            return told(request, get_response(request))

    return middleware


@sync_and_async_middleware
def swap_urlconf(get_response):
    """Takes the URLconf that a field of the request names."""

    def swapped(request):
        if "X-Urlconf" in request.headers:
            request.urlconf = request.headers["X-Urlconf"]
        return request

    if iscoroutinefunction(get_response):

        async def middleware(request):
            return await get_response(swapped(request))
    else:

        def middleware(request):
            return get_response(swapped(request))

    return middleware
