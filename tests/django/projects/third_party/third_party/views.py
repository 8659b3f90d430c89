"""A page of each kind, with queries."""

from django.contrib.auth.models import Group, User
from django.http import HttpResponse


def page(name, users, groups):
    return HttpResponse(f"<html><body><p>{name}, {users} users, {groups} groups</p></body></html>")


def sync_page(request):
    return page(request.user.get_username(), User.objects.count(), Group.objects.count())


async def async_page(request):
    user = await request.auser()
    return page(user.get_username(), await User.objects.acount(), await Group.objects.acount())


def broken(request):
    raise RuntimeError("broken on purpose")


async def broken_async(request):
    raise RuntimeError("broken on purpose")
