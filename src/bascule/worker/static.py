"""The directories of --static, put in front of the applications."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from urllib.parse import quote_from_bytes

from bascule.directory import absolute
from bascule.errors import UsageError
from bascule.interfaces.dispatch import DispatchInterface, MountedInterface
from bascule.interfaces.exchange import Interface
from bascule.interfaces.static.caching import CachePolicy
from bascule.interfaces.static.files import Files
from bascule.interfaces.static.front import FrontInterface
from bascule.interfaces.static.http import StaticInterface
from bascule.interfaces.static.paths import file_path
from bascule.interfaces.static.tree import Tree
from bascule.loading.application import EVERYWHERE, Application, StaticSite
from bascule.mounting import MountPoint
from bascule.settings import Settings

Mounted = list[tuple[MountPoint | None, Interface]]


def in_front(
    settings: Settings, applications: Sequence[Application], made: Mounted
) -> Interface | None:
    """Return what chooses between directories of files and applications; None where there are no
    directories.

    made: the interfaces of the applications by their mount points. A directory at a mount point
    that an application has as well leaves to it what is no file. Raises UsageError for a directory
    that is not there.
    """
    fallback = fallback_of(settings)
    with ExitStack() as opened:
        found = []
        for point, files in directories(settings, applications):
            opened.callback(files.close)
            found.append((point, files))
        # All are there: from here on the interfaces close them.
        opened.pop_all()
    if not found:
        return None
    served = dict(made)
    for point, files in found:
        served[point] = StaticInterface(
            point,
            files,
            served.get(point),
            fallback,
            settings.static_dot_files,
            settings.root_path,
        )
    routes = [
        MountedInterface(point, interface)
        for point, interface in served.items()
        if point is not None
    ]
    chooser = DispatchInterface(routes, served.get(None), settings.root_path)
    is_alone = len(made) == 1 and served.get(EVERYWHERE) is made[0][1]
    paths = [point.prefix.encode() for point, _ in found]
    nested = any(one != other and one.startswith(other) for one in paths for other in paths)
    if not is_alone or nested or settings.root_path or any(point.host for point, _ in found):
        return chooser
    places = {point.prefix.encode(): served[point] for point, _ in found}
    return FrontInterface(places, chooser, made[0][1])


def directories(
    settings: Settings, applications: Sequence[Application]
) -> Iterator[tuple[MountPoint, Files]]:
    """The directories to serve by their mount points: those of the settings, then those of
    applications. Raises UsageError."""
    told = {point for point, _ in settings.static}
    for point, directory in settings.static:
        yield point, open_files("--static", directory, settings, policy_of(settings))
    for site, point in sites_of(settings, applications):
        if point not in told:
            policy = policy_of(settings, site.hashed)
            yield point, open_files(site.name, site.directory, settings, policy)


def sites_of(
    settings: Settings, applications: Sequence[Application]
) -> list[tuple[StaticSite, MountPoint]]:
    """The files that applications leave to the server, and where they are."""
    if not settings.django_static:
        return []
    return [
        (one.static, one.static.point(one.point))
        for one in applications
        if one.static is not None and one.point is not None
    ]


def policy_of(settings: Settings, hashed: frozenset[bytes] | None = None) -> CachePolicy:
    return CachePolicy(settings.static_max_age, hashed, settings.static_cache_control)


def described(settings: Settings, applications: Sequence[Application]) -> list[str]:
    """Say which directories are served where, for the start-up banner."""
    lines = [f"serving files of {directory} at {point}" for point, directory in settings.static]
    told = {point for point, _ in settings.static}
    return lines + [
        f"serving files of {site.directory} ({site.name}) at {point}"
        for site, point in sites_of(settings, applications)
        if point not in told
    ]


def handing_over(settings: Settings, behind: Interface) -> Interface:
    """Return an interface that lets applications name files of --accel-redirect. Raises
    UsageError, and closes the one behind."""
    from bascule.interfaces.static.handover import HandoverInterface, Protected

    policy = CachePolicy()
    directories = []
    with ExitStack() as opened:
        opened.callback(behind.close)
        for point, directory in settings.accel_redirect:
            files = open_files("--accel-redirect", directory, settings, policy)
            opened.callback(files.close)
            directories.append(Protected(point, os.fsencode(absolute(directory)), files))
        opened.pop_all()
    return HandoverInterface(behind, directories)


def fallback_of(settings: Settings) -> bytes | None:
    """Return the path of --static-fallback below the directory. Raises UsageError."""
    if settings.static_fallback is None:
        return None
    path = os.fsencode(settings.static_fallback).removeprefix(b"./")
    if not path or file_path(b"/" + quote_from_bytes(path).encode(), True) != path:
        raise UsageError(
            f"--static-fallback: {settings.static_fallback!r} is not the name of a file below the "
            "directory; give one such as index.html"
        )
    return path


def open_files(flag: str, directory: str, settings: Settings, policy: CachePolicy) -> Files:
    """Return the files of a directory that a flag names. Raises UsageError."""
    return Files(
        open_tree(flag, directory, settings.static_symlinks), policy, settings.static_cache
    )


def open_tree(flag: str, directory: str, follow_symlinks: bool) -> Tree:
    """Open a directory that a flag names. Raises UsageError."""
    path = absolute(directory)
    try:
        return Tree(path, follow_symlinks)
    except OSError as error:
        hint = ""
        if isinstance(error, FileNotFoundError):
            hint = "\nCreate it first; in a Django project, `manage.py collectstatic` does."
        raise UsageError(
            f"{flag}: the directory {path} cannot be served: {error.strerror}{hint}"
        ) from None
