"""Middleware of every kind. The query asks for the action of a hook: `?Outer.request=raise`."""

import asyncio

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import (
    BadRequest,
    MiddlewareNotUsed,
    PermissionDenied,
    SuspiciousOperation,
)
from django.http import Http404, HttpResponse
from django.middleware.common import CommonMiddleware
from django.utils.decorators import (
    async_only_middleware,
    sync_and_async_middleware,
    sync_only_middleware,
)
from django.utils.deprecation import MiddlewareMixin

# The calls, in order. Tests that read it make one request at a time.
TRACE: list[str] = []

ERRORS = {
    "raise": RuntimeError,
    "missing": Http404,
    "denied": PermissionDenied,
    "bad": BadRequest,
    "suspicious": SuspiciousOperation,
    "stop": StopAsyncIteration,
}
ACTIONS = [*ERRORS, "respond", "nothing"]


def act(request, label):
    TRACE.append(label)
    what = request.GET.get(label)
    if what in ERRORS:
        raise ERRORS[what](f"on purpose, {label}")
    return what


class Hooked(MiddlewareMixin):
    def _act(self, request, hook):
        label = f"{type(self).__name__}.{hook}"
        what = act(request, label)
        return HttpResponse(f"from {label}", status=209) if what == "respond" else None

    def process_request(self, request):
        return self._act(request, "request")

    def process_view(self, request, callback, args, kwargs):
        return self._act(request, "view")

    def process_exception(self, request, exception):
        return self._act(request, "exception")

    def process_template_response(self, request, response):
        other = self._act(request, "template")
        if request.GET.get(f"{type(self).__name__}.template") == "nothing":
            return None
        if other is None:
            response.context_data["title"] += f" {type(self).__name__}"
        return response

    def process_response(self, request, response):
        other = self._act(request, "response")
        if request.GET.get(f"{type(self).__name__}.response") == "nothing":
            return None
        response = other or response
        response[f"X-{type(self).__name__}"] = "seen"
        return response


class Outer(Hooked):
    pass


class Middle(Hooked):
    pass


class Inner(Hooked):
    pass


class RequestOnly(MiddlewareMixin):
    def process_request(self, request):
        act(request, "RequestOnly.request")


class ResponseOnly(MiddlewareMixin):
    def process_response(self, request, response):
        act(request, "ResponseOnly.response")
        response["X-Response-Only"] = str(response.status_code)
        return response


class NoHooks(MiddlewareMixin):
    pass


class AsyncViewHook(MiddlewareMixin):
    async def process_view(self, request, callback, args, kwargs):
        await asyncio.sleep(0)
        act(request, "AsyncViewHook.view")


class AsyncRequestHook(MiddlewareMixin):
    """Django cannot call it, and says so for every request."""

    async def process_request(self, request):
        act(request, "AsyncRequestHook.request")


class OtherResponse(MiddlewareMixin):
    """Has changed what its layers call."""

    def __init__(self, get_response):
        super().__init__(get_response)
        inside = self.get_response

        async def wrapped(request):
            act(request, "OtherResponse.before")
            response = await inside(request)
            response["X-Other"] = "wrapped"
            return response

        if iscoroutinefunction(inside):
            self.get_response = wrapped

    def process_request(self, request):
        act(request, "OtherResponse.request")


class Unused(MiddlewareMixin):
    def __init__(self, get_response):
        raise MiddlewareNotUsed("not here")


class OwnCall(MiddlewareMixin):
    """Inherits, and calls by itself."""

    async def __acall__(self, request):
        act(request, "OwnCall.before")
        response = await super().__acall__(request)
        act(request, "OwnCall.after")
        response["X-Own-Call"] = "seen"
        return response

    def process_request(self, request):
        act(request, "OwnCall.request")


class Plain:
    """No mixin, both ways."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request):
        if iscoroutinefunction(self):
            return self.acall(request)
        act(request, "Plain.before")
        return self.get_response(request)

    async def acall(self, request):
        act(request, "Plain.before")
        response = await self.get_response(request)
        act(request, "Plain.after")
        return response

    def process_exception(self, request, exception):
        act(request, "Plain.exception")


@sync_only_middleware
def sync_only(get_response):
    def middleware(request):
        act(request, "sync_only.before")
        response = get_response(request)
        act(request, "sync_only.after")
        return response

    return middleware


@async_only_middleware
def async_only(get_response):
    async def middleware(request):
        act(request, "async_only.before")
        response = await get_response(request)
        act(request, "async_only.after")
        return response

    return middleware


@sync_and_async_middleware
def either(get_response):
    if iscoroutinefunction(get_response):

        async def middleware(request):
            act(request, "either.before")
            return await get_response(request)

    else:

        def middleware(request):
            act(request, "either.before")
            return get_response(request)

    return middleware


class CommonOfOurs(CommonMiddleware):
    """A subclass of one that Bascule knows: it could block, for all anybody knows."""

    def process_request(self, request):
        act(request, "CommonOfOurs.request")
        return super().process_request(request)
