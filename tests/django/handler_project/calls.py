"""An ASGI server of a few lines: one request, and everything that came of it."""

import asyncio
import logging
import os
import random
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import django
import hooks
from django.core import signals
from django.utils import crypto


def set_up():
    """Django, its tables and a user."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    django.setup(set_prefix=False)
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_user("ann", password="secret")
    logging.getLogger("django").handlers[:] = [Kept()]
    logging.getLogger("django").setLevel(logging.INFO)


@dataclass
class Outcome:
    """The visible effects of one request."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    raised: str | None = None
    trace: list[str] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)

    @property
    def status(self):
        return self.messages[0]["status"] if self.messages else None

    @property
    def headers(self):
        return [(n.decode(), v.decode("latin1")) for n, v in self.messages[0]["headers"]]

    @property
    def body(self):
        return b"".join(m.get("body", b"") for m in self.messages[1:]).decode("latin1")

    def comparable(self):
        """Without what is another in every run: dates, tracebacks."""
        body = self.body if self.messages else ""
        if "Traceback" in body:
            body = re.sub(r"(?s)<script.*?</script>", "", body)
            body = str(re.findall(r"(?s)<(?:title|h1|h2)>.*?</", body)[:2])
        return {
            "raised": self.raised,
            "status": self.status,
            "headers": [
                (name, re.sub(r"expires=[^;]*", "expires=", value))
                for name, value in (self.headers if self.messages else [])
                if "Traceback" not in self.body or name != "Content-Length"
            ],
            "body": body,
            "pieces": len(self.messages) if "Traceback" not in self.body else 0,
            "trace": self.trace,
            "signals": self.signals,
            "logged": self.logged,
        }


SEEN: list[str] = []
LOGGED: list[str] = []


class Kept(logging.Handler):
    def emit(self, record):
        error = record.exc_info[0].__name__ if record.exc_info else ""
        LOGGED.append(f"{record.name} {record.levelname} {record.getMessage()} {error}")


def receiver(name):
    def receive(signal, sender, **more):
        SEEN.append(f"{name} {getattr(sender, '__name__', sender)} {' '.join(sorted(more))}")

    return receive


SIGNALS = {
    signals.request_started: "started",
    signals.request_finished: "finished",
    signals.got_request_exception: "exception",
}
RECEIVERS = {name: receiver(name) for name in SIGNALS.values()}


@contextmanager
def listening():
    """With receivers of a project's own, which Django calls in a thread."""
    for signal, name in SIGNALS.items():
        signal.connect(RECEIVERS[name], weak=False)
    try:
        yield
    finally:
        for signal, name in SIGNALS.items():
            signal.disconnect(RECEIVERS[name])


def scope_of(method, target, headers=()):
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode("utf-8", "surrogateescape"),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
    }


async def call(app, method="GET", target="/", headers=(), body=b"", on_send=None, gone=None):
    """One request. The client stays until `gone` is set, `on_send` sees every message."""
    outcome = Outcome()
    pieces = [body[start : start + 30_000] for start in range(0, len(body), 30_000)] or [b""]

    async def receive():
        if pieces:
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message):
        outcome.messages.append(message)
        if on_send is not None:
            await on_send(message)

    for kept in (hooks.TRACE, SEEN, LOGGED):
        kept.clear()
    try:
        await app(scope_of(method, target, headers), receive, send)
    except Exception as error:
        outcome.raised = repr(error)
    outcome.trace, outcome.signals, outcome.logged = list(hooks.TRACE), list(SEEN), list(LOGGED)
    return outcome


async def talk(app, requests):
    """Several requests of one client, which keeps its cookies."""
    jar: dict[str, str] = {}
    outcomes = []
    for method, target, more, body in requests:
        headers = list(more)
        if jar:
            pairs = "; ".join(f"{name}={value}" for name, value in jar.items())
            headers.append((b"cookie", pairs.encode()))
        if body == "TOKEN":
            body = f"name=x&csrfmiddlewaretoken={jar.get('csrftoken', '')}".encode()
        outcome = await call(app, method, target, headers, body)
        outcomes.append(outcome)
        for name, value in outcome.headers if outcome.messages else []:
            if name == "Set-Cookie":
                key, _, rest = value.partition("=")
                jar[key] = rest.split(";")[0].strip('"')
                if not jar[key]:
                    del jar[key]
    return outcomes


def same_chance():
    """Keys and tokens that are the same in every run."""
    chance = random.Random(1)
    crypto.secrets = SimpleNamespace(
        choice=chance.choice, compare_digest=crypto.secrets.compare_digest
    )
