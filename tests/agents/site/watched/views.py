from django.http import HttpResponse


def sync_view(request):
    return HttpResponse("sync")


async def async_view(request):
    return HttpResponse("async")


def sync_view_that_fails(request):
    raise ValueError("sync")


async def async_view_that_fails(request):
    raise ValueError("async")
