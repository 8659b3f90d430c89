"""Asks everything of one project in every way, in a process with one Django. Prints JSON.

    python matrix_run.py edges|polls|third_party

The ways are those of `WAYS`: Django's own two handlers, the project by both sides, and the ASGI
side of that alone, each served by Bascule on a port of its own. "quiet" is without receivers of
signals, where the ASGI side need not call any.
"""

import json
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent)]

from hybrid_sites import EDGES, OWN_FIELDS, THIRD_PARTY, comparable_body, comparable_value  # noqa: E402
from matrix_cases import CASES, FORM, Case, Step  # noqa: E402

from support.client import Http1Client  # noqa: E402
from support.inprocess import Served  # noqa: E402
from support.polls import POLLS  # noqa: E402

WORK = Path(os.environ["HANDLER_PROJECT_WORK"])
PROJECTS = {
    "edges": ("hybrid_edges.settings", EDGES, {}),
    "third_party": (
        "third_party.settings",
        THIRD_PARTY,
        {"THIRD_PARTY_DATABASE": str(WORK / "third_party.sqlite3")},
    ),
    "polls": ("polls.settings", POLLS, {"DJANGO_DEBUG": "0", "DJANGO_SECRET_KEY": "matrix" * 9}),
}
EVENTS: list[str] = []
# Measurements of the Debug Toolbar, and its names for requests. Their length is in Content-Length.
# It leaves the processor's time out where the kernel counted none, as on a busy machine.
MEASURED = re.compile(
    r"(?:CPU: \d+\.\d+ms \(|Total: )\d+\.\d+ms\)?"
    r"|[0-9a-f]{32}|\d+\.\d+|\d+(?= receivers)"
)
TOOLBAR = "djdt-request-id"
# The thread in the name of a savepoint, and how many the connection has had.
SAVEPOINT = re.compile(r'(?<="s)\d+_x\d+')


# Observations


def note_signal(name: str) -> Any:
    def receive(signal: Any, sender: Any, **more: Any) -> None:
        EVENTS.append(f"signal {name} {getattr(sender, '__name__', sender)} {sorted(more)}")

    return receive


def note_connection(connection: Any, **_: Any) -> None:
    """Called whenever one is opened. Those of a thread are opened again and again."""
    EVENTS.append(f"connection {connection.alias}")
    connection.force_debug_cursor = True
    if note_query not in connection.execute_wrappers:
        connection.execute_wrappers.append(note_query)


def note_query(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    EVENTS.append(f"sql {SAVEPOINT.sub('*', sql)} with {len(params or ())}")
    return execute(sql, params, many, context)


class Notes(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "django.db.backends":
            # The queries are here already; how a transaction ends is not.
            sql = getattr(record, "sql", None)
            if sql in ("COMMIT", "ROLLBACK"):
                EVENTS.append(f"sql {sql}")
        elif record.levelno >= logging.INFO:
            error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
            message = record.getMessage()
            if record.name == "py.warnings":
                message = message.partition(": ")[2].splitlines()[0]
            EVENTS.append(f"log {record.name} {record.levelname} {message} {error}".strip())


@contextmanager
def listening(is_so: bool) -> Iterator[None]:
    from django.core import signals

    receivers = {
        name: note_signal(name)
        for name in ("request_started", "request_finished", "got_request_exception")
        if is_so
    }
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver, weak=False)
    try:
        yield
    finally:
        for name, receiver in receivers.items():
            getattr(signals, name).disconnect(receiver)


# The project


def set_up(settings_module: str, directory: Path) -> None:
    from datetime import UTC, datetime

    from django.utils import timezone

    # Pages that are made one after another show the same time.
    moment = datetime.now(UTC)
    timezone.now = lambda: moment
    sys.path.insert(0, str(directory))
    os.environ["DJANGO_SETTINGS_MODULE"] = settings_module
    from django.conf import settings

    # A hash that takes no time.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.ALLOWED_HOSTS = ["testserver"]
    import django

    django.setup(set_prefix=False)
    from django.db.backends.signals import connection_created

    connection_created.connect(note_connection)
    warnings.simplefilter("always")
    logging.captureWarnings(True)


def keep_log() -> None:
    """After whatever sets Django up once more, and its log with it."""
    notes = Notes()
    for name in ("django", "py.warnings"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [notes]
        logger.propagate = False
    for name in ("django", "django.request", "django.db.backends"):
        logging.getLogger(name).setLevel(logging.DEBUG)


def prepare_polls() -> dict[str, str]:
    """A password of the hash above, and sessions: the cookie of each user."""
    from ballot.views import exports
    from django.contrib.auth.models import User
    from django.db import connections
    from django.test import Client

    # One reading of the standing, and the stream ends by itself.
    exports.LIVE_SECONDS = exports.LIVE_INTERVAL = 0.01
    user = User.objects.get(username="demo")
    user.set_password("demo-bascule")
    user.save()
    client = Client()
    client.force_login(user)
    connections.close_all()
    media = Path(os.environ["POLLS_MEDIA"])
    media.mkdir(exist_ok=True)
    (media / "bridge.png").write_bytes(b"a picture" * 10_000)
    return {"demo": client.cookies["sessionid"].value}


def prepare_third_party() -> dict[str, str]:
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    connections.close_all()
    return {}


PREPARED = {"polls": prepare_polls, "third_party": prepare_third_party}


class Databases:
    """The database of each case: a copy of the one that was prepared, of which nothing is known
    yet."""

    def __init__(self) -> None:
        from django.contrib.contenttypes.models import ContentType
        from django.db import connections

        self.content_types = ContentType.objects
        self.settings = connections.settings["default"]
        self.prepared = Path(str(self.settings["NAME"]))
        self.count = 0

    def renew(self) -> None:
        self.count += 1
        copy = WORK / f"copy-{self.count}.sqlite3"
        shutil.copy(self.prepared, copy)
        # Connections that are opened from now on look here.
        self.settings["NAME"] = copy
        self.content_types.clear_cache()


def ways() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return the served application and its settings."""
    from django.conf import settings
    from django.utils.module_loading import import_string

    from bascule.django import project
    from bascule.django.handler import get_asgi_application

    return {
        "wsgi": (import_string(settings.WSGI_APPLICATION), {"threads": 3}),
        "asgi": (import_string(settings.ASGI_APPLICATION), {}),
        "hybrid": (project(settings.SETTINGS_MODULE), {"threads": 3}),
        "ours": (get_asgi_application(threads=3), {}),
    }


# A client


class Browser:
    """Requests of one client, each on a connection of its own."""

    def __init__(self, served: Served, cookies: dict[str, str]) -> None:
        self.served = served
        self.cookies = dict(cookies)

    def take(self, step: Step) -> dict[str, Any]:
        fields = list(step.fields)
        body = step.body
        names = {name for name, _ in fields}
        if "host" not in names:
            fields.append(("host", "testserver"))
        if self.cookies and "cookie" not in names:
            pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            fields.append(("cookie", pairs))
        if step.form is not None:
            token = self.cookies.get("csrftoken", "")
            body = urlencode({**step.form, "csrfmiddlewaretoken": token}).encode()
            fields.append(FORM)
        EVENTS.clear()
        client = Http1Client(self.served.port)
        try:
            response = client.request(step.method, step.target, fields, body)
        finally:
            client.close()
        self.served.wait_until_idle()
        for name, value in response.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0].strip('"')
                if not self.cookies[key]:
                    del self.cookies[key]
        body_text = comparable_body(response.body).decode("latin-1")
        kept = [
            (name, comparable_value(value))
            for name, value in response.headers
            if name not in OWN_FIELDS
        ]
        if response.header(TOOLBAR):
            body_text = MEASURED.sub("*", body_text)
            kept = [
                (name, MEASURED.sub("*", value))
                for name, value in kept
                if name != "content-length"
            ]
        return {
            "status": response.status,
            "reason": response.reason,
            "fields": sorted(kept),
            "body": body_text,
            "events": list(EVENTS),
        }


def outcomes(served: Served, case: Case, sessions: dict[str, str]) -> list[dict[str, Any]]:
    cookies = {"sessionid": sessions[case.user]} if case.user else {}
    browser = Browser(served, cookies)
    return [browser.take(step) for step in case.steps]


def unvisited(cases: dict[str, Case]) -> list[str]:
    """Routes of the URLconf that no case leads to."""
    from django.urls import Resolver404, get_resolver, resolve
    from django.utils import translation

    def routes(resolver: Any, prefix: str) -> Iterator[str]:
        for pattern in resolver.url_patterns:
            route = prefix + str(pattern.pattern).removeprefix("^" if prefix else "")
            if hasattr(pattern, "url_patterns"):
                yield from routes(pattern, route)
            else:
                yield route

    seen = set()
    with translation.override("en"):
        for case in cases.values():
            for step in case.steps:
                try:
                    seen.add(resolve(step.target.partition("?")[0]).route)
                except Resolver404:
                    pass
        return sorted(set(routes(get_resolver(), "")) - seen)


def main(name: str) -> None:
    # The loop that looks whether a server is idle shares the interpreter with what it waits for.
    sys.setswitchinterval(0.0002)
    settings_module, directory, env = PROJECTS[name]
    os.environ.update(env)
    set_up(settings_module, directory)
    sessions, databases = {}, None
    if name in PREPARED:
        sessions, databases = PREPARED[name](), Databases()
    cases = CASES[name]
    found: dict[str, Any] = {case: {} for case in cases}
    with ExitStack() as stack:
        served_ways = ways()
        keep_log()
        for way, (app, options) in served_ways.items():
            served = stack.enter_context(Served(app, access_log=False, **options))
            for is_listening in (True, False):
                if way in ("wsgi", "asgi") and not is_listening:
                    continue
                for case_name, case in cases.items():
                    if databases is not None:
                        databases.renew()
                    with listening(is_listening):
                        result = outcomes(served, case, sessions)
                    found[case_name][way if is_listening else f"{way} quiet"] = result
    print(json.dumps({"cases": found, "unvisited": unvisited(cases)}))


if __name__ == "__main__":
    main(sys.argv[1])
