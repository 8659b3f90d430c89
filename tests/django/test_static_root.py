"""STATIC_ROOT served at STATIC_URL, and files that views name with django-sendfile2."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from manage_site import LISTENING, append, get, manage, replace, serving, write

from support.commands import clean_environment
from support.server import Server

SERVE = ("-m", "bascule", "serve", "--port", "0")
STYLE = b"body { color: black }"
MANIFEST = """
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {
            "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        },
    }
"""
NOT_OURS = (404, 418)


@pytest.fixture
def collected(shop: Path) -> Path:
    """The project with its static files collected, as it is deployed."""
    replace(shop / "shop/settings.py", "DEBUG = True", "DEBUG = False")
    replace(shop / "shop/settings.py", "ALLOWED_HOSTS = []", 'ALLOWED_HOSTS = ["*"]')
    append(
        shop / "shop/settings.py",
        """
        from pathlib import Path
        STATIC_ROOT = Path(__file__).parent.parent / "collected"
        """,
    )
    return shop


def collect(shop: Path) -> None:
    done = manage(shop, "collectstatic", "--noinput")
    assert done.returncode == 0, done.stderr


def serve(shop: Path, *flags: str) -> AbstractContextManager[Server]:
    command = [sys.executable, *SERVE, *flags]
    return serving(command, shop, clean_environment(), LISTENING)


@pytest.mark.parametrize("flags", [(), ("--interface", "wsgi")])
def test_what_was_collected_is_served(collected: Path, flags: tuple[str, ...]) -> None:
    collect(collected)
    with serve(collected, *flags) as server:
        line = f"serving files of {collected}/collected (STATIC_ROOT) at /static"
        assert line in server.output()
        response = get(server, "/static/shop/style.css")
        assert (response.status, response.body) == (200, STYLE)
        assert response.header("content-type") == "text/css; charset=utf-8"
        assert response.header("cache-control") == "public, max-age=60"
        assert get(server, "/static/shop/no.css").status == 404
        assert get(server, "/").body.startswith(b"one ")
        assert get(server, "/staticfiles").status == 418


def test_the_names_of_the_manifest_are_kept_for_good(collected: Path) -> None:
    append(collected / "shop/settings.py", MANIFEST)
    write(collected / "shop/static/shop/other.0123456789ab.css", "not of the manifest")
    collect(collected)
    (hashed,) = (collected / "collected/shop").glob("style.*.css")
    with serve(collected) as server:
        cache = {
            name: get(server, f"/static/shop/{name}").header("cache-control")
            for name in (hashed.name, "style.css", "other.0123456789ab.css")
        }
    assert cache == {
        hashed.name: "public, max-age=31536000, immutable",
        "style.css": "public, max-age=60",
        "other.0123456789ab.css": "public, max-age=60",
    }


@pytest.mark.parametrize(
    "settings",
    [
        "DEBUG = True",
        'MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware"]',
        'STATIC_URL = "https://cdn.example.com/static/"',
        'STATIC_URL = "/"',
        'INSTALLED_APPS = ["shop"]',
        "STATIC_ROOT = None",
        'STATIC_ROOT = "/nonexistent"',
        'BASCULE = {"DJANGO_STATIC": False}',
    ],
)
def test_where_it_is_not_served(collected: Path, settings: str) -> None:
    collect(collected)
    append(collected / "shop/settings.py", settings)
    with serve(collected) as server:
        assert "serving files" not in server.output()
        if "whitenoise" not in settings:
            assert get(server, "/static/shop/style.css").status in NOT_OURS


def test_before_collectstatic_nothing_is_served(collected: Path) -> None:
    with serve(collected) as server:
        assert "serving files" not in server.output()
        assert get(server, "/static/shop/style.css").status == 418


def test_the_operator_has_the_last_word(collected: Path) -> None:
    collect(collected)
    write(collected / "mine/shop/style.css", "mine")
    with serve(collected, "--static", "/static=mine") as server:
        assert "STATIC_ROOT" not in server.output()
        assert get(server, "/static/shop/style.css").body == b"mine"
    with serve(collected, "--no-django-static") as server:
        assert get(server, "/static/shop/style.css").status == 418


@pytest.mark.parametrize("backend", ["nginx", "xsendfile"])
@pytest.mark.parametrize("view", ["def", "async def"])
def test_django_sendfile2(collected: Path, backend: str, view: str) -> None:
    append(
        collected / "shop/settings.py",
        f"""
        SENDFILE_BACKEND = "django_sendfile.backends.{backend}"
        SENDFILE_ROOT = Path(__file__).parent.parent / "private"
        SENDFILE_URL = "/protected"
        ROOT_URLCONF = "shop.private"
        """,
    )
    write(
        collected / "shop/private.py",
        f"""
        from pathlib import Path

        from django.conf import settings
        from django.urls import path
        from django_sendfile import sendfile

        {view} report(request, name):
            return sendfile(request, settings.SENDFILE_ROOT / name, attachment=True)

        urlpatterns = [path("report/<path:name>", report)]
        """,
    )
    write(collected / "private/year 2026.csv", "a;b")
    with serve(collected, "--accel-redirect", "/protected=private") as server:
        response = get(server, "/report/year%202026.csv")
        assert (response.status, response.body) == (200, b"a;b")
        assert response.header("content-type") == "text/csv"
        assert response.header("content-disposition") == 'attachment; filename="year 2026.csv"'
        assert get(server, "/report/year%202026.csv", ("range", "bytes=0-0")).status == 206
        assert get(server, "/protected/year%202026.csv").status == 404
