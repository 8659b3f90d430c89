"""`manage.py check` with "bascule.django" installed: what is said of which project, and of which
nothing."""

import json
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from bascule.settings import OPTIONS
from support.commands import clean_environment

DEADLINE = 60
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checks.md"

SETTINGS = """
    SECRET_KEY = "x"
    ALLOWED_HOSTS = ["*"]
    INSTALLED_APPS = ["bascule.django"]
    ROOT_URLCONF = "shop.urls"
    USE_TZ = True
    MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
URLS = """
    from django.db import transaction
    from django.http import HttpResponse
    from django.urls import include, path, re_path
    from django.views import View

    def sync(request):
        return HttpResponse()

    class Sync(View):
        def get(self, request):
            return HttpResponse()

    urlpatterns = [path("shop/", include([path("list/", sync), path("class/", Sync.as_view())]))]
"""
WITH_ASYNC = """
    async def live(request):
        return HttpResponse()

    async def other(request):
        return HttpResponse()

    exempt = transaction.non_atomic_requests(other)

    class Live(View):
        async def get(self, request):
            return HttpResponse()

    urlpatterns += [
        path("live/", live),
        path("live/again/", live),
        path("live/<int:number>/", include([path("more/", exempt)])),
        path("live/class/", Live.as_view()),
    ]
"""
MIDDLEWARE = """
    from django.utils.decorators import async_only_middleware, sync_and_async_middleware
    from django.utils.deprecation import MiddlewareMixin
    from asgiref.sync import iscoroutinefunction

    def plain(get_response):
        return lambda request: get_response(request)

    @async_only_middleware
    def loop_only(get_response):
        async def middleware(request):
            return await get_response(request)
        return middleware

    @sync_and_async_middleware
    def both(get_response):
        if iscoroutinefunction(get_response):
            async def middleware(request):
                return await get_response(request)
        else:
            def middleware(request):
                return get_response(request)
        return middleware

    class Enters(MiddlewareMixin):
        def process_request(self, request):
            pass

    class Returns(MiddlewareMixin):
        def process_request(self, request):
            pass

        def process_response(self, request, response):
            return response

    class Views(MiddlewareMixin):
        def process_view(self, request, callback, args, kwargs):
            pass

    class Calls(MiddlewareMixin):
        async def __acall__(self, request):
            return await self.get_response(request)

        def process_request(self, request):
            pass
"""
CHECK = """
    import json, sys
    import django
    django.setup()
    from django.core.checks import run_checks
    found = run_checks(include_deployment_checks="--deploy" in sys.argv)
    shown = [[one.id, type(one).__name__, str(one.msg), str(one.hint)] for one in found]
    print(json.dumps(shown))
"""


@dataclass(frozen=True)
class Found:
    id: str
    level: str
    text: str
    hint: str


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write(tmp_path / "shop/__init__.py", "")
    write(tmp_path / "shop/settings.py", SETTINGS)
    write(tmp_path / "shop/urls.py", URLS)
    write(tmp_path / "shop/middleware.py", MIDDLEWARE)
    write(tmp_path / "check.py", CHECK)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + textwrap.dedent(text))


def run(site: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project's directory."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=site,
        env=clean_environment({"DJANGO_SETTINGS_MODULE": "shop.settings", **env}),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def all_found(site: Path, *args: str, **env: str) -> list[Found]:
    done = run(site, "check.py", *args, **env)
    assert done.returncode == 0, done.stderr
    return [Found(*one) for one in json.loads(done.stdout)]


def found(site: Path, *args: str, **env: str) -> list[Found]:
    """Return the messages of our checks, each of which names the page, and is on it."""
    ours = [one for one in all_found(site, *args, **env) if one.id.startswith("bascule.")]
    for one in ours:
        assert one.hint.endswith("See docs/reference/checks.md.")
        assert f"\n## {one.id}\n" in PAGE.read_text()
    return ours


def only(site: Path, identifier: str, *args: str, **env: str) -> Found:
    ours = found(site, *args, **env)
    assert [one.id for one in ours] == [identifier]
    return ours[0]


def use(site: Path, *middleware: str) -> None:
    append(
        site / "shop/settings.py",
        f"MIDDLEWARE += {[f'shop.middleware.{m}' for m in middleware]}\n",
    )


# Nothing to say


@pytest.mark.parametrize("urls", ["", WITH_ASYNC], ids=["sync", "async"])
def test_a_project_as_startproject_makes_it(site: Path, urls: str) -> None:
    append(site / "shop/urls.py", urls)
    assert found(site) == []
    append(
        site / "shop/settings.py",
        """
        INSTALLED_APPS += [
            "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions",
            "django.contrib.messages", "django.contrib.staticfiles",
        ]
        STATIC_URL = "static/"
        MIDDLEWARE = [
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
            "django.middleware.gzip.GZipMiddleware",
        ]
        DATABASES["default"]["CONN_MAX_AGE"] = None
        BASCULE = {"THREADS": 4, "DJANGO_INTERFACE": {"/shop/": "asgi"}}
        """,
    )
    assert found(site, "--deploy") == []


@pytest.mark.parametrize(
    "settings",
    [
        "ROOT_URLCONF = 'not.there'",
        "MIDDLEWARE = ['not.there']",
        "MIDDLEWARE = None",
        "DATABASES = {'default': {}}",
        "DATABASES = {}",
        "BASCULE = None",
        "CHANNEL_LAYERS = ['default']",
        "SECURE_PROXY_SSL_HEADER = 5",
        "del ROOT_URLCONF",
    ],
)
def test_odd_projects_are_for_django_to_report(site: Path, settings: str) -> None:
    """A traceback is Django's own, or there is none."""
    append(site / "shop/urls.py", WITH_ASYNC)
    append(
        site / "shop/settings.py",
        f"BASCULE = {{'DJANGO_INTERFACE': {{'/': 'asgi'}}}}\n{settings}\n",
    )
    script = """
        import django
        django.setup()
        from bascule.django.checks import CHECKS, DEPLOYMENT_CHECKS
        for check, _ in CHECKS + DEPLOYMENT_CHECKS:
            assert check(app_configs=None, databases=None) == [], check
    """
    write(site / "each.py", script)
    done = run(site, "each.py")
    assert (done.returncode, done.stderr) == (0, "")


def test_commands_that_check_nothing_import_nothing(site: Path) -> None:
    write(
        site / "light.py",
        """
        import sys
        import django
        django.setup()
        ours = {name for name in sys.modules if name.startswith("bascule.")}
        print(sorted(ours))
        """,
    )
    done = run(site, "light.py")
    names = set(json.loads(done.stdout.replace("'", '"')))
    assert {name for name in names if name.startswith("bascule.django")} == {
        "bascule.django",
        "bascule.django.apps",
        "bascule.django.checks",
        "bascule.django.checks.databases",
        "bascule.django.checks.deployment",
        "bascule.django.checks.messages",
        "bascule.django.checks.middleware",
        "bascule.django.checks.settings",
        "bascule.django.databases",
        "bascule.django.time_zone",
    }
    assert not {name for name in names if name.startswith("bascule.settings")}


def test_the_command(site: Path) -> None:
    append(site / "shop/settings.py", 'BASCULE = {"THRAEDS": 3}\n')
    command = ["-m", "django", "check"]
    for more, code in (([], 1), (["--tag", "bascule"], 1), (["--tag", "urls"], 0)):
        done = run(site, *command, *more)
        assert done.returncode == code, done.stderr
        said = "?: (bascule.E001) shop.settings BASCULE: THRAEDS is not a setting; did you mean"
        assert (said in done.stderr) is bool(code)
    append(site / "shop/settings.py", 'SILENCED_SYSTEM_CHECKS = ["bascule.E001"]\n')
    done = run(site, *command)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("command", "is_told"), [("check", True), ("job", False)])
def test_what_serving_costs_is_no_matter_of_other_commands(
    site: Path, command: str, is_told: bool
) -> None:
    write(site / "shop/management/__init__.py", "")
    (site / "shop/management/commands").mkdir()
    write(site / "shop/management/commands/__init__.py", "")
    write(
        site / "shop/management/commands/job.py",
        """
        from django.core.management import BaseCommand

        class Command(BaseCommand):
            def handle(self, **options):
                print("done")
        """,
    )
    use(site, "loop_only", "plain", "Returns")
    append(site / "shop/urls.py", WITH_ASYNC)
    append(
        site / "shop/settings.py",
        "INSTALLED_APPS += ['shop']\nBASCULE = {'DJANGO_INTERFACE': {'/nowhere/': 'wsgi'}}\n",
    )
    done = run(site, "-m", "django", command)
    assert done.returncode == 0, done.stderr
    assert "(bascule.W007)" in done.stderr
    for identifier in ("W003", "W004", "I001"):
        assert (f"(bascule.{identifier})" in done.stderr) is is_told


def test_every_identifier_is_on_the_page() -> None:
    package = Path(__file__).parents[2] / "src/bascule/django/checks"
    source = "".join(file.read_text() for file in package.glob("*.py"))
    used = set(re.findall(r'"([EWI]\d{3})"', source))
    described = re.findall(r"^## bascule\.([EWI]\d{3})$", PAGE.read_text(), re.MULTILINE)
    assert len(described) == len(set(described))
    assert used == set(described)


# The settings


def test_everything_wrong_in_bascule(site: Path) -> None:
    append(
        site / "shop/settings.py",
        'BASCULE = {"THRAEDS": 3, "PORT": "none", "DJANGO_INTERFACE": {"/a/": "asgy"}}\n',
    )
    ours = found(site)
    assert [(one.id, one.level) for one in ours] == [("bascule.E001", "Error")] * 3
    text = "\n".join(one.text for one in ours)
    assert "shop.settings BASCULE: THRAEDS is not a setting; did you mean THREADS?" in text
    assert "shop.settings BASCULE: PORT 'none' is not a whole number" in text
    assert "DJANGO_INTERFACE has 'asgy' for '/a/'" in text


def test_rules_for_no_route(site: Path) -> None:
    append(
        site / "shop/urls.py",
        WITH_ASYNC + "    urlpatterns += [re_path(r'^archive/(?P<year>[0-9]{4})/$', sync)]\n",
    )
    rules = {
        "/shop/": "asgi",
        "/sh": "asgi",
        "/live/7/more/": "wsgi",
        "/archive/2": "asgi",
        "^/nowhere": "asgi",
        "/shop/list/": "asgi",
        "/shop/list/more": "asgi",
        "/shops/": "asgi",
        "/a.b+c/": "wsgi",
    }
    append(site / "shop/settings.py", f"BASCULE = {{'DJANGO_INTERFACE': {rules}}}\n")
    ours = found(site)
    assert {one.id for one in ours} == {"bascule.W007"}
    assert [one.text for one in ours] == [
        f"BASCULE: DJANGO_INTERFACE has {path!r}, where shop.urls has no route."
        for path in ("/shop/list/more", "/shops/", "/a.b+c/")
    ]


# Applications


@pytest.mark.parametrize("order", [["daphne", "static", "ours"], ["static", "ours", "daphne"]])
def test_another_runserver_first(site: Path, order: list[str]) -> None:
    write(site / "daphne/__init__.py", "")
    names = {"static": "django.contrib.staticfiles", "ours": "bascule.django", "daphne": "daphne"}
    append(
        site / "shop/settings.py",
        f"INSTALLED_APPS = {[names[one] for one in order]}\nSTATIC_URL = 'static/'\n",
    )
    one = only(site, "bascule.W001")
    before = ", ".join(repr(names[name]) for name in sorted(order[: order.index("ours")]))
    assert one.text.startswith(f"'bascule.django' stands behind {before} in INSTALLED_APPS")


# Views and middleware


def test_atomic_requests(site: Path) -> None:
    append(site / "shop/settings.py", "DATABASES['default']['ATOMIC_REQUESTS'] = True\n")
    assert found(site) == []
    append(site / "shop/urls.py", WITH_ASYNC)
    one = only(site, "bascule.W002")
    assert one.level == "Warning"
    assert one.text.endswith(": shop.urls.live, shop.urls.Live.")
    append(site / "shop/urls.py", "urlpatterns = [urlpatterns[0], urlpatterns[3]]\n")
    assert found(site) == []


def test_atomic_requests_of_two_databases(site: Path) -> None:
    append(
        site / "shop/settings.py",
        """
        DATABASES["default"]["ATOMIC_REQUESTS"] = True
        DATABASES["other"] = {**DATABASES["default"]}
        """,
    )
    append(site / "shop/urls.py", WITH_ASYNC)
    append(
        site / "shop/urls.py",
        """
        half = transaction.non_atomic_requests(using="other")(live)
        urlpatterns = [path("half/", half)]
        """,
    )
    assert "'default', 'other'" in only(site, "bascule.W002").text
    append(site / "shop/urls.py", "transaction.non_atomic_requests(half)\n")
    assert found(site) == []


def test_sync_only_middleware(site: Path) -> None:
    use(site, "both", "plain", "both")
    assert found(site) == []
    append(site / "shop/urls.py", WITH_ASYNC)
    append(site / "shop/settings.py", "BASCULE = {'THREADS': 5}\n")
    one = only(site, "bascule.W003")
    assert "in front of async views: shop.middleware.plain." in one.text
    assert "Each request to shop.urls.live, shop.urls.other, shop.urls.Live goes once" in one.text
    assert "no more than 5 of them run at once" in one.text
    # Middleware outside of it is called in the same way; middleware inside is not.
    along = one.text.partition("So is what is around it: ")[2]
    assert along == (
        "django.middleware.security.SecurityMiddleware, "
        "django.middleware.common.CommonMiddleware, "
        "django.middleware.csrf.CsrfViewMiddleware, shop.middleware.both."
    )
    assert "no more than 1 of them" in only(site, "bascule.W003", BASCULE_THREADS="0").text


def test_back_and_forth(site: Path) -> None:
    use(site, "plain", "loop_only", "plain", "plain")
    append(site / "shop/urls.py", WITH_ASYNC)
    texts = {one.id: one.text for one in found(site)}
    assert set(texts) == {"bascule.W003", "bascule.W004"}
    assert "goes twice to a thread" in texts["bascule.W003"]
    assert (
        "shop.middleware.loop_only. Each request to shop.urls.sync, shop.urls.Sync starts"
        in (texts["bascule.W004"])
    )


def test_async_only_middleware(site: Path) -> None:
    use(site, "loop_only", "both")
    one = only(site, "bascule.W004")
    assert "starts an event loop of its own once" in one.text
    # Without a sync view it costs nothing.
    append(site / "shop/urls.py", WITH_ASYNC + "    urlpatterns = urlpatterns[1:]\n")
    assert found(site) == []


def test_hooks_that_need_a_thread(site: Path) -> None:
    use(site, "Enters", "Returns", "both", "Views", "Calls", "Enters")
    assert found(site) == []
    append(site / "shop/urls.py", WITH_ASYNC)
    one = only(site, "bascule.I001")
    assert one.level == "Info"
    said = (
        "goes 4 times to a thread and back for hooks of middleware: "
        "process_request of shop.middleware.Enters, shop.middleware.Returns; "
        "process_response of shop.middleware.Returns; "
        "process_request of shop.middleware.Enters; "
        "process_view of shop.middleware.Views."
    )
    assert one.text.endswith(said)


COUNT = """
    import asyncio, json
    import django
    django.setup()
    import asgiref.sync
    from django.core.wsgi import get_wsgi_application
    from django.test import RequestFactory
    from bascule.django.handler import get_asgi_application
    from bascule.django.checks.survey import chain, stretches, trips

    app, wsgi = get_asgi_application(), get_wsgi_application()
    made = {"threads": 0, "loops": 0}
    to_async, to_sync = asgiref.sync.SyncToAsync.__call__, asgiref.sync.AsyncToSync.__call__

    async def counting_threads(self, *args, **kwargs):
        made["threads"] += 1
        return await to_async(self, *args, **kwargs)

    def counting_loops(self, *args, **kwargs):
        made["loops"] += 1
        return to_sync(self, *args, **kwargs)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "path": "/live/", "raw_path": b"/live/", "query_string": b"", "root_path": "",
        "scheme": "http", "headers": [(b"host", b"testserver")], "client": None,
        "server": ("testserver", 80),
    }

    async def main():
        messages = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            if messages:
                return messages.pop()
            await asyncio.Event().wait()

        async def send(message):
            assert message.get("status", 200) == 200

        await app(scope, receive, send)

    asgiref.sync.SyncToAsync.__call__ = counting_threads
    asyncio.run(main())
    asgiref.sync.SyncToAsync.__call__ = to_async
    asgiref.sync.AsyncToSync.__call__ = counting_loops
    environ = RequestFactory().get("/shop/list/").environ
    assert wsgi(environ, lambda status, fields: None).status_code == 200
    of_asgi = chain(is_async=True)
    foretold = {
        "threads": len(stretches(of_asgi, False)) + len(trips(of_asgi)),
        "loops": len(stretches(chain(is_async=False), True)),
    }
    print(json.dumps([made, foretold]))
"""


@pytest.mark.parametrize(
    ("middleware", "threads", "loops"),
    [
        (["Enters", "Returns", "both", "Views", "Calls", "Enters"], 4, 0),
        (["plain"], 1, 0),
        (["Enters", "plain", "Returns"], 3, 0),
        (["plain", "loop_only", "plain", "plain"], 2, 1),
        (["loop_only", "plain", "Views", "loop_only"], 2, 2),
        (["Calls", "both"], 0, 0),
    ],
)
def test_what_is_foretold_is_what_a_request_costs(
    site: Path, middleware: list[str], threads: int, loops: int
) -> None:
    use(site, *middleware)
    append(site / "shop/urls.py", WITH_ASYNC)
    write(site / "count.py", COUNT)
    done = run(site, "count.py")
    assert done.returncode == 0, done.stderr
    made, foretold = json.loads(done.stdout)
    assert made == foretold == {"threads": threads, "loops": loops}


# Databases

OLDER_ASGIREF = """
    import asgiref.sync

    class ThreadSensitiveContext(asgiref.sync.ThreadSensitiveContext):
        def __init__(self):
            super().__init__()

    asgiref.sync.ThreadSensitiveContext = ThreadSensitiveContext
"""
POOL = """
    DATABASES = {{
        "default": {{"ENGINE": "django.db.backends.{engine}", "OPTIONS": {{"pool": {pool}}}}}
    }}
"""


@pytest.mark.parametrize(
    ("engine", "pool", "size"),
    [
        ("postgresql", "True", 4),
        ("postgresql", "{'min_size': 6}", 6),
        ("postgresql", "{'max_size': 7, 'min_size': 1}", 7),
        ("postgresql", "{'max_size': 8}", None),
        ("postgresql", "False", None),
        ("sqlite3", "True", None),
        ("oracle", "True", 2),
        ("oracle", "{'max': 8}", None),
    ],
)
def test_pools(site: Path, engine: str, pool: str, size: int | None) -> None:
    append(site / "shop/urls.py", WITH_ASYNC)
    append(site / "shop/settings.py", POOL.format(engine=engine, pool=pool))
    # Without psycopg Django's own checks fail: ours are asked alone.
    write(site / "check.py", CHECK.replace("run_checks(", 'run_checks(tags=["bascule"], '))
    if size is None:
        assert found(site) == []
        return
    one = only(site, "bascule.W006")
    assert f"'default' has {size} connections at most, for 8 threads" in one.text
    assert '"max_size": 16' in one.hint
    assert found(site, BASCULE_THREADS=str(size)) == []


def test_persistent_connections_with_an_older_asgiref(site: Path) -> None:
    append(site / "shop/settings.py", "DATABASES['default']['CONN_MAX_AGE'] = 60\n")
    append(site / "shop/urls.py", WITH_ASYNC)
    assert found(site) == []
    write(site / "check.py", OLDER_ASGIREF + CHECK)
    assert "CONN_MAX_AGE is set for 'default'" in only(site, "bascule.W005").text
    append(site / "shop/settings.py", "DATABASES['default']['CONN_MAX_AGE'] = 0\n")
    assert found(site) == []


# Deployment


def test_a_channel_layer_in_memory(site: Path) -> None:
    append(
        site / "shop/settings.py",
        'CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}\n',
    )
    assert found(site) == []
    assert "'default' in memory" in only(site, "bascule.W008", "--deploy").text


def test_a_header_that_everybody_can_send(site: Path) -> None:
    append(
        site / "shop/settings.py",
        'SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "https")\nSECURE_SSL_REDIRECT = True\n',
    )
    assert found(site) == []
    assert "names HTTP_X_SCHEME" in only(site, "bascule.W009", "--deploy").text
    append(
        site / "shop/settings.py",
        'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")\n',
    )
    assert found(site, "--deploy") == []


@pytest.mark.skipif("proxy_headers" not in OPTIONS, reason="there is no such setting")
def test_trust_in_everybody(site: Path) -> None:
    append(
        site / "shop/settings.py",
        """
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        USE_X_FORWARDED_HOST = True
        """,
    )
    for value in ("*", "10.0.0.1, *"):
        one = only(site, "bascule.W010", "--deploy", BASCULE_FORWARDED_ALLOW_IPS=value)
        assert "by SECURE_PROXY_SSL_HEADER, USE_X_FORWARDED_HOST:" in one.text
    append(site / "shop/settings.py", "BASCULE = {'FORWARDED_ALLOW_IPS': ['10.0.0.1']}\n")
    assert found(site, "--deploy") == []
    append(site / "shop/settings.py", "BASCULE = {'FORWARDED_ALLOW_IPS': ['*']}\n")
    only(site, "bascule.W010", "--deploy")
    append(site / "shop/settings.py", "BASCULE = {'PROXY_HEADERS': False}\n")
    assert "proxy_headers is off" in only(site, "bascule.W009", "--deploy").text


@pytest.mark.parametrize(
    "mended",
    [
        "SECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')",
        "BASCULE = {'SSL_CERTFILE': 'certificate.pem'}",
        "MIDDLEWARE = MIDDLEWARE[1:]",
        "SECURE_SSL_REDIRECT = False",
        pytest.param(
            "BASCULE = {'PROXY_HEADERS': True}",
            marks=pytest.mark.skipif("proxy_headers" not in OPTIONS, reason="no such setting"),
        ),
    ],
)
def test_a_redirect_without_end(site: Path, mended: str) -> None:
    off = "BASCULE = {'PROXY_HEADERS': False}\n" if "proxy_headers" in OPTIONS else ""
    append(site / "shop/settings.py", f"SECURE_SSL_REDIRECT = True\n{off}")
    assert found(site) == []
    assert "Every request is redirected" in only(site, "bascule.W011", "--deploy").text
    append(site / "shop/settings.py", "BASCULE = {}\n" if "BASCULE" in mended else "")
    append(site / "shop/settings.py", f"{mended}\n")
    assert "bascule.W011" not in [one.id for one in found(site, "--deploy")]
