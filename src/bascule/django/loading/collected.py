"""The files that `collectstatic` has put into STATIC_ROOT, served at STATIC_URL.

Nothing is served from here with DEBUG, where Django's finders are fresher than what was collected,
nor where WhiteNoise or the like serves the files already, nor where STATIC_URL is on another host.
MEDIA_ROOT is never served: what users have uploaded may need a permission, or be HTML.
"""

import os
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from bascule.loading.application import StaticSite

# Packages that serve the files: as middleware, or around the application.
OTHERS = frozenset({"dj_static", "servestatic", "static_ranges", "whitenoise"})


def collected_files(settings: Any, *applications: object) -> StaticSite | None:
    """Return what a project has collected; None where it is not to be served from here.

    applications: the project's own, which may be wrapped.
    """
    root, url = settings.STATIC_ROOT, static_url(settings)
    if settings.DEBUG or not root or not os.path.isdir(root) or not is_local(url):
        return None
    if "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return None
    packages = {name.partition(".")[0] for name in settings.MIDDLEWARE}
    packages |= {type(one).__module__.partition(".")[0] for one in applications}
    if packages & OTHERS:
        return None
    return StaticSite(url.rstrip("/"), os.path.abspath(root), "STATIC_ROOT", hashed_names())


def static_url(settings: Any) -> str:
    """STATIC_URL as the project has written it: one without a slash in front is below the path
    that the project is mounted at. Django's own attribute adds that path only once it is known."""
    # settings.configure() has no module.
    name = settings.SETTINGS_MODULE
    written = import_module(name) if name else settings
    return str(getattr(written, "STATIC_URL", None) or "")


def is_local(url: str) -> bool:
    """Whether a URL is a path, and more than the root of the site."""
    parts = urlsplit(url)
    return not parts.scheme and not parts.netloc and bool(parts.path.strip("/"))


def hashed_names() -> frozenset[bytes] | None:
    """Return exactly the names that Django's manifest has given; None without a manifest."""
    from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage

    try:
        storage: Any = staticfiles_storage
        if not isinstance(storage, ManifestFilesMixin):
            return None
        return frozenset(os.fsencode(name) for name in storage.hashed_files.values())
    except Exception:
        # The project's own storage; without a manifest the form of a name decides.
        return None
