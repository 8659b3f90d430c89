"""Every case under Django's handler and under ours. Prints, as JSON, how many cases each stack had
and which differ.

    python differential.py          all stacks
    python differential.py NAME     one
"""

import asyncio
import json
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import calls
import hooks

calls.set_up()

from django.conf import settings  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.db import connections  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402
from views import VIEWS  # noqa: E402

from bascule.django.handlers.asgi import DjangoASGIApplication  # noqa: E402
from bascule.django.handlers.executors import ThreadLeases  # noqa: E402

OURS = [f"hooks.{name}" for name in ("Outer", "Middle", "Inner")]
SECURITY, SESSION, COMMON, CSRF, AUTH, MESSAGES, FRAMES = settings.STARTPROJECT

STACKS = {
    "none": ([], {}),
    "startproject": (settings.STARTPROJECT, {}),
    "startproject_debug": (settings.STARTPROJECT, {"DEBUG": True}),
    "startproject_listening": (settings.STARTPROJECT, {"LISTENING": True}),
    "propagating": (settings.STARTPROJECT, {"DEBUG_PROPAGATE_EXCEPTIONS": True}),
    "save_every_request": (settings.STARTPROJECT, {"SESSION_SAVE_EVERY_REQUEST": True}),
    "csrf_in_sessions": (settings.STARTPROJECT, {"CSRF_USE_SESSIONS": True}),
    "cookie_sessions": (
        settings.STARTPROJECT,
        {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"},
    ),
    "cached_sessions": (
        settings.STARTPROJECT,
        {"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db"},
    ),
    "file_sessions": (
        settings.STARTPROJECT,
        {"SESSION_ENGINE": "django.contrib.sessions.backends.file"},
    ),
    "session_messages": (
        settings.STARTPROJECT,
        {"MESSAGE_STORAGE": "django.contrib.messages.storage.session.SessionStorage"},
    ),
    "cookies_in_a_wrong_place": (
        # Authentication without sessions is refused in a hook.
        [SECURITY, COMMON, AUTH, MESSAGES],
        {},
    ),
    "redirecting": (
        settings.STARTPROJECT,
        {"SECURE_SSL_REDIRECT": True, "SECURE_REDIRECT_EXEMPT": ["^sync"], "PREPEND_WWW": True},
    ),
    "everything": (
        [
            "django.middleware.cache.UpdateCacheMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            "django.middleware.http.ConditionalGetMiddleware",
            SECURITY,
            SESSION,
            "django.middleware.locale.LocaleMiddleware",
            COMMON,
            "django.middleware.common.BrokenLinkEmailsMiddleware",
            CSRF,
            AUTH,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
            MESSAGES,
            FRAMES,
            "django.contrib.admindocs.middleware.XViewMiddleware",
            "django.middleware.cache.FetchFromCacheMiddleware",
        ],
        {"LISTENING": True},
    ),
    "transactions": (settings.STARTPROJECT, {"ATOMIC": True}),
    "third_party": (
        [
            SECURITY,
            "whitenoise.middleware.WhiteNoiseMiddleware",
            "corsheaders.middleware.CorsMiddleware",
            *settings.STARTPROJECT[1:],
        ],
        {},
    ),
    "hooks": (OURS, {}),
    "hooks_listening": (OURS, {"LISTENING": True}),
    "hooks_debug": (OURS, {"DEBUG": True}),
    "hooks_propagating": (OURS, {"DEBUG_PROPAGATE_EXCEPTIONS": True, "LISTENING": True}),
    "hooks_between": ([SECURITY, OURS[0], SESSION, COMMON, OURS[1], CSRF, AUTH, OURS[2]], {}),
    "sync_in_the_middle": ([OURS[0], COMMON, "hooks.sync_only", OURS[1], FRAMES, OURS[2]], {}),
    "async_in_the_middle": ([OURS[0], "hooks.async_only", OURS[1], "hooks.either", OURS[2]], {}),
    "odd_ones": (
        [
            "hooks.Plain",
            "hooks.RequestOnly",
            "hooks.Unused",
            "hooks.OwnCall",
            OURS[0],
            "hooks.NoHooks",
            "hooks.OtherResponse",
            OURS[1],
            "hooks.CommonOfOurs",
            "hooks.ResponseOnly",
            "hooks.AsyncViewHook",
            OURS[2],
        ],
        {},
    ),
    "async_hook": ([OURS[0], "hooks.AsyncRequestHook", OURS[1]], {}),
}

# These get a request to every view, the others to some.
WHOLE = {"startproject", "startproject_debug", "everything", "transactions"}

JSON = [(b"content-type", b"application/json")]
FORM = [(b"content-type", b"application/x-www-form-urlencoded")]
PARTS = [(b"content-type", b"multipart/form-data; boundary=XX")]


def multipart(size):
    head = 'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    return f"--XX\r\n{head}\r\n{'x' * size}\r\n--XX--\r\n".encode()


def get(target, *headers):
    return ("GET", target, list(headers), b"")


def post(target, body, headers=FORM):
    return ("POST", target, list(headers), body)


# Each is what one client does, with its cookies.
CONVERSATIONS = {
    **{f"GET {name}": [get(f"/{name}/?a=1&b=%20")] for name in VIEWS},
    "HEAD": [("HEAD", "/sync/", [], b"")],
    "no slash": [get("/sync?x=1"), get("/nothing"), get("/nothing/")],
    "bad host": [get("/sync/", (b"x", b"y"), (b"host", b"evil.example"))],
    "query that is not UTF-8": [get("/sync/?\udcff")],
    "formatted": [get("/sync/", (b"accept-encoding", b"gzip")), get("/large/")],
    "compressed": [get("/large/", (b"accept-encoding", b"gzip"))],
    "compressed stream": [get("/sync_stream/", (b"accept-encoding", b"gzip"))],
    "languages": [get("/sync/", (b"accept-language", b"de")), get("/async_template/")],
    "twice, for caches": [get("/template/"), get("/template/"), get("/sync/"), get("/sync/")],
    "origin": [get("/sync/", (b"origin", b"https://other.test"))],
    "preflight": [
        (
            "OPTIONS",
            "/sync/",
            [(b"origin", b"https://other.test"), (b"access-control-request-method", b"POST")],
            b"",
        )
    ],
    "static file": [get("/static/page.txt"), get("/static/none.txt")],
    "conditional": [get("/sync/", (b"if-none-match", b"*"))],
    "post without token": [post("/form/", b"name=x"), post("/async_form/", b"name=x")],
    "post with token": [get("/form/"), post("/form/", "TOKEN"), post("/async_form/", "TOKEN")],
    "post from elsewhere": [
        get("/form/"),
        post("/form/", "TOKEN", [*FORM, (b"origin", b"https://evil.example")]),
    ],
    "wrong token": [get("/form/"), post("/form/", b"csrfmiddlewaretoken=wrong")],
    "bad cookie": [get("/form/", (b"cookie", b"csrftoken=short"))],
    "exempt": [post("/based/", b"a=1&b=2"), post("/upload/", b"a=1")],
    "upload": [post("/upload/", multipart(size), PARTS) for size in (100, 45_000)],
    "broken upload": [post("/upload/", b"--YY", PARTS), post("/form/", b"--YY", PARTS)],
    "unparsable": [post("/upload/", b"x", [(b"content-type", b"multipart/form-data")])],
    "large upload": [post("/upload/", multipart(100_000), PARTS)],
    "large body": [post("/body/", b"x" * 60_000, JSON)],
    "large form": [post("/upload/", b"a=" + b"x" * 60_000)],
    "many fields": [post("/upload/", b"&".join(b"a=1" for _ in range(2000)))],
    "body": [post("/body/", b"x" * 40_000, JSON)],
    "session": [
        get(f"/{name}/")
        for name in (
            "session_read",
            "session_write",
            "async_session_read",
            "async_session_write",
            "session_crash",
            "session_error",
            "session_read",
            "session_flush",
            "session_read",
            "async_session_write",
            "async_session_flush",
            "expiring",
        )
    ],
    "unknown session": [
        get("/sync/", (b"cookie", b"sessionid=abcdefghijklmnop")),
        get("/session_read/", (b"cookie", b"sessionid=abcdefghijklmnop")),
        get("/session_write/", (b"cookie", b"sessionid=abcdefghijklmnop")),
    ],
    "messages": [
        get(f"/{name}/")
        for name in (
            "message_add",
            "sync",
            "async_message_add",
            "message_show",
            "message_show",
            "message_much",
            "message_show",
            "sync",
        )
    ],
    "users": [
        get(f"/{name}/")
        for name in ("private", "sign_in", "private", "who", "sign_out", "who", "async_sign_in")
    ]
    + [get("/private/")],
}

HOOKS = ("request", "view", "exception", "template", "response")


def hook_conversations(stack):
    """The actions of hooks: everything everywhere in one stack, the most telling in the others."""
    whole = stack == "hooks"
    views = ("asynchronous", "async_crash", "template") if whole else ("async_template",)
    actions = hooks.ACTIONS if whole else ("raise", "respond")
    for view in views:
        for layer in ("Outer", "Middle", "Inner"):
            for hook in HOOKS:
                for action in actions:
                    yield f"/{view}/?{layer}.{hook}={action}"
    for first in ("raise", "respond", "missing"):
        for second in ("raise", "respond", "nothing"):
            yield f"/sync/?Inner.request={first}&Middle.response={second}"
            yield f"/asynchronous/?Middle.request={first}&Outer.response={second}"
            yield f"/asynchronous/?Inner.response={first}&Middle.response={second}"
            yield f"/async_crash/?Inner.exception={first}&Inner.response={second}"


async def compare(stack, seen):
    middleware, wanted = STACKS[stack]
    wanted = dict(wanted)
    listening = calls.listening() if wanted.pop("LISTENING", False) else nullcontext()
    atomic = wanted.pop("ATOMIC", False)
    conversations = dict(CONVERSATIONS)
    if stack not in WHOLE:
        plain = [name for name in CONVERSATIONS if name.startswith("GET ")]
        for name in set(plain) - set(plain[::4]):
            del conversations[name]
    if any(path in middleware for path in OURS):
        # The actions of the hooks matter here.
        conversations = {name: CONVERSATIONS[name] for name in list(CONVERSATIONS)[::6]}
        conversations |= {target: [get(target)] for target in hook_conversations(stack)}
    with override_settings(MIDDLEWARE=middleware, **wanted), listening, transactions(atomic):
        apps = ASGIHandler(), DjangoASGIApplication(ThreadLeases(2))
        for name, requests in conversations.items():
            for _ in range(3):  # the clock may tick between the two
                both = [await outcomes(app, requests) for app in apps]
                if both[0] == both[1]:
                    break
            else:
                seen["different"][name] = both
            seen["count"] += 1
        await asyncio.to_thread(apps[1].threads.close)


@contextmanager
def transactions(atomic):
    connections.settings["default"]["ATOMIC_REQUESTS"] = atomic
    try:
        yield
    finally:
        connections.settings["default"]["ATOMIC_REQUESTS"] = False


async def outcomes(app, requests):
    await asyncio.to_thread(forget)
    calls.same_chance()
    return [outcome.comparable() for outcome in await calls.talk(app, requests)]


def forget():
    Session.objects.all().delete()
    cache.clear()
    for file in Path(settings.SESSION_FILE_PATH).iterdir():
        file.unlink()


def main(names):
    page = settings.STATIC_ROOT / "page.txt"
    page.parent.mkdir(exist_ok=True)
    page.write_text("a file\n")
    Path(settings.SESSION_FILE_PATH).mkdir(exist_ok=True)
    found = {}
    for stack in names or STACKS:
        for path in STACKS[stack][0]:
            import_string(path)
        found[stack] = {"count": 0, "different": {}}
        asyncio.run(compare(stack, found[stack]))
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
