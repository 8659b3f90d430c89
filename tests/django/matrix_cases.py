"""The requests to the projects in the matrix, and the side that answers each.

A case is what one client does, with its cookies. Each begins with the project's database as it was
prepared.
"""

from dataclasses import dataclass

Field = tuple[str, str]
FORM = ("content-type", "application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Step:
    """One request. side: whose view it is for. form: sent with the token of the cookie; body: sent
    as it is."""

    side: str
    target: str
    status: int = 200
    method: str = "GET"
    fields: tuple[Field, ...] = ()
    form: dict[str, str] | None = None
    body: bytes | None = None


@dataclass(frozen=True)
class Case:
    """user: who is logged in from the beginning."""

    steps: tuple[Step, ...]
    user: str = ""


def get(side: str, target: str, status: int = 200, *fields: Field) -> Step:
    return Step(side, target, status, fields=fields)


def post(side: str, target: str, status: int, **form: str) -> Step:
    return Step(side, target, status, "POST", form=form)


def each(*steps: Step, user: str = "") -> dict[str, Case]:
    """A case for each, by its target."""
    return {" ".join(step.target.split()): Case((step,), user) for step in steps}


# The project of edge cases.

BOUNDARY = "----edge"
PARTS = (("content-type", f"multipart/form-data; boundary={BOUNDARY}"),)


def multipart(size: int) -> bytes:
    head = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="word"\r\n\r\nhé\r\n'
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n'
        "content-type: application/octet-stream\r\n\r\n"
    )
    content = bytes(range(250)) * (size // 250)
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


KINDS = (("sync", "wsgi"), ("async", "asgi"))
ALTERNATIVE = ("x-urlconf", "hybrid_edges.alternative")

EDGES = {
    **each(
        get("wsgi", "/"),
        get("wsgi", "/sync/"),
        get("asgi", "/async/"),
        get("wsgi", "/sync/?a=1&b=%C3%A9"),
        get("asgi", "/async/?a=1&b=%C3%A9"),
        get("wsgi", "/class/sync/"),
        get("asgi", "/class/async/"),
        get("asgi", "/partial/3/"),
        get("wsgi", "/wrapped/"),
        get("asgi", "/marked/"),
        get("asgi", "/exempt/"),
        get("wsgi", "/forced/wsgi/"),
        get("asgi", "/forced/asgi/"),
        get("asgi", "/forced/class/"),
        get("wsgi", "/forced/dispatch/"),
        get("wsgi", "/ruled/to-threads/"),
        get("asgi", "/ruled/to-loop/"),
        get("asgi", "/number/4/"),
        get("wsgi", "/number/5/"),
        get("wsgi", "/number/x/", 404),
        get("asgi", "/uuid/5f0a1b9e-1c7e-4b5e-8f5e-0123456789ab/"),
        get("wsgi", "/uuid/5f0a1b9e/", 404),
        get("wsgi", "/files/a/b/c.txt"),
        get("asgi", "/archive/2024/"),
        get("wsgi", "/archive/24/", 404),
        get("asgi", "/pair/1-2/"),
        get("asgi", "/and/somewhere/here/too"),
        get("asgi", "/same/aa/"),
        get("wsgi", "/same/ab/", 404),
        get("wsgi", "/shops/7/"),
        get("wsgi", "/shops/7/tea/"),
        get("asgi", "/shops/7/tea/live/"),
        get("wsgi", "/shops/x/tea/live/", 404),
        get("asgi", "/unicode/%C3%A9%20%2B/"),
        get("wsgi", "/stream/sync/"),
        # Bytes that are no UTF-8.
        get("asgi", "/unicode/%ff%E2%99%E2%99%A5/"),
        get("wsgi", "/%ff/%E2%99%E2%99%A5/", 404),
        get("asgi", "/stream/async/"),
        get("wsgi", "/stream/async-from-sync/"),
        get("asgi", "/stream/sync-from-async/"),
        get("wsgi", "/facts/sync/?x=%20y"),
        get("asgi", "/facts/async/?x=%20y"),
        get("wsgi", "/broken/sync/", 500),
        get("asgi", "/broken/async/", 500),
        get("asgi", "/news/"),
        get("asgi", "/de/news/"),
        get("wsgi", "/plain/"),
        get("wsgi", "/fr/plain/"),
        get("wsgi", "/es/news/", 404),
        get("asgi", "/Yes"),
        get("asgi", "/de/Ja"),
        get("asgi", "/fr/Oui"),
        get("wsgi", "/de/Oui", 404),
        # APPEND_SLASH redirects these.
        get("wsgi", "/sync", 301),
        get("wsgi", "/async", 301),
        get("wsgi", "/nowhere/", 404),
        get("wsgi", "//async/", 404),
        get("wsgi", "/%2e%2e/async/", 404),
    ),
    **{
        f"{method} {kind}": Case(
            (
                Step(
                    side,
                    f"/class/{kind}/",
                    405 if method in ("POST", "DELETE") else 200,
                    method,
                ),
                Step(side, f"/facts/{kind}/", 200, method),
            )
        )
        for method in ("HEAD", "OPTIONS", "POST", "DELETE")
        for kind, side in KINDS
    },
    **{
        f"language {language}": Case(
            (
                get("asgi", "/news/", status, ("accept-language", language)),
                get("wsgi", "/sync/", 200, ("accept-language", language)),
            )
        )
        for language, status in (("de", 200), ("fr, en;q=0.5", 200), ("es", 200))
    },
    # A URLconf that a middleware takes cannot be known in advance: the view runs on the other
    # side, and answers the same.
    "urlconf of a middleware": Case(
        (
            get("wsgi", "/sync/", 200, ALTERNATIVE),
            get("asgi", "/async/", 200, ALTERNATIVE),
            get("asgi", "/class/async/", 404, ALTERNATIVE),
        )
    ),
    **{
        f"upload {kind} {size}": Case(
            (Step(side, f"/upload/{kind}/", 200, "POST", PARTS, body=multipart(size)),)
        )
        for kind, side in KINDS
        for size in (10, 3_000_000)
    },
    **{
        f"odd requests {kind}": Case(
            (
                get(side, f"/facts/{kind}/?x=%ff&y=%c3%a9"),
                get(side, f"/facts/{kind}/", 200, ("cookie", "a=cafÃ©; b=é")),
                get(side, f"/facts/{kind}/", 200, ("referer", "one"), ("referer", "two")),
                get(side, f"/facts/{kind}/", 400, ("host", "elsewhere.example")),
                Step(
                    side,
                    f"/upload/{kind}/",
                    400,
                    "POST",
                    (("content-type", "multipart/form-data"),),
                    body=b"x",
                ),
                Step(side, f"/upload/{kind}/", 200, "POST", (FORM,), body=b"a=b+c&a=%C3%A9"),
            )
        )
        for kind, side in KINDS
    },
}

# These wait for other requests, tell the thread, or do not end: `test_hybrid_served` has them.
NOT_ALONE = {"wait/", "waiting/", "release/", "gone/", "gone/seen/", "signals/"}
NOT_ALONE |= {"thread/sync/", "thread/async/", "endless/sync/", "endless/async/"}

# The example project.

ADMIN = (
    *(
        get("wsgi", f"/admin/{target}")
        for target in (
            "",
            "jsi18n/",
            "password_change/",
            "password_change/done/",
            "auth/",
            "auth/group/",
            "auth/group/add/",
            "auth/user/",
            "auth/user/?q=demo",
            "auth/user/add/",
            "auth/user/1/change/",
            "auth/user/1/delete/",
            "auth/user/1/history/",
            "auth/user/1/password/",
            "ballot/",
            "ballot/question/",
            "ballot/question/?q=river",
            "ballot/question/add/",
            "ballot/question/1/change/",
            "ballot/question/1/delete/",
            "ballot/question/1/history/",
            "ballot/vote/",
            "ballot/vote/1/change/",
            "ballot/vote/1/delete/",
            "ballot/vote/1/history/",
            "autocomplete/?app_label=ballot&model_name=question&field_name=author&term=demo",
        )
    ),
    get("wsgi", "/admin/auth/group/1/change/", 302),
    get("wsgi", "/admin/auth/group/1/delete/", 302),
    get("wsgi", "/admin/auth/group/1/history/", 302),
    get("wsgi", "/admin/auth/group/1/", 302),
    get("wsgi", "/admin/auth/user/1/", 302),
    get("wsgi", "/admin/ballot/question/1/", 302),
    get("wsgi", "/admin/ballot/vote/1/", 302),
    get("wsgi", "/admin/ballot/vote/add/", 403),
    get("wsgi", "/admin/r/999/1/", 404),
    get("wsgi", "/admin/none/", 404),
    get("wsgi", "/admin/auth", 301),
    get("wsgi", "/admin/logout/", 405),
)
POLLS = {
    **each(
        get("wsgi", "/"),
        get("wsgi", "/?q=river"),
        get("wsgi", "/?page=2"),
        get("wsgi", "/ask/", 302),
        get("wsgi", "/questions/1/"),
        get("wsgi", "/questions/1/results/"),
        get("wsgi", "/questions/1/votes.csv"),
        get("wsgi", "/questions/999/", 404),
        get("asgi", "/questions/1/live/"),
        get("asgi", "/questions/999/live/", 404),
        get("wsgi", "/api/questions/"),
        get("asgi", "/api/questions/1/"),
        get("asgi", "/api/questions/999/", 404),
        get("wsgi", "/ping/"),
        get("asgi", "/aping/"),
        get("wsgi", "/aping", 301),
        get("wsgi", "/accounts/login/"),
        get("wsgi", "/accounts/signup/"),
        get("wsgi", "/accounts/logout/", 405),
        get("wsgi", "/chat/"),
        get("wsgi", "/admin/", 302),
        get("wsgi", "/admin/login/"),
        get("wsgi", "/static/ballot/style.css"),
        get("wsgi", "/static/none.css", 404),
        get("wsgi", "/media/bridge.png"),
        get("wsgi", "/media/none.png", 404),
        get("wsgi", "/nowhere/", 404),
    ),
    **each(*ADMIN, user="demo"),
    "signing up and out": Case(
        (
            get("wsgi", "/accounts/signup/"),
            post(
                "wsgi",
                "/accounts/signup/",
                302,
                username="cleo",
                password1="nile-48-barge",
                password2="nile-48-barge",
            ),
            get("wsgi", "/"),
            get("asgi", "/api/questions/1/"),
            post("wsgi", "/accounts/logout/", 302),
            get("wsgi", "/ask/", 302),
        )
    ),
    "logging in": Case(
        (
            get("wsgi", "/accounts/login/"),
            post("wsgi", "/accounts/login/", 200, username="demo", password="wrong"),
            post("wsgi", "/accounts/login/", 302, username="demo", password="demo-bascule"),
            get("wsgi", "/admin/"),
            get("asgi", "/aping/"),
            post("wsgi", "/admin/logout/", 302),
        )
    ),
    "asking and voting": Case(
        (
            get("wsgi", "/ask/"),
            post("wsgi", "/ask/", 400, text="Too few?", choices="One"),
            post("wsgi", "/ask/", 302, text="Is it so?", choices="Yes\nNo"),
            get("wsgi", "/questions/6/"),
            post("wsgi", "/questions/6/", 302, choice="20"),
            get("wsgi", "/questions/6/results/"),
            post("wsgi", "/questions/6/", 400, choice="1"),
            get("asgi", "/questions/6/live/"),
            get("asgi", "/api/questions/6/"),
        ),
        user="demo",
    ),
    "changes by the staff": Case(
        (
            get("wsgi", "/admin/auth/group/add/"),
            post("wsgi", "/admin/auth/group/add/", 302, name="editors"),
            get("wsgi", "/admin/auth/group/"),
            post("wsgi", "/admin/auth/group/1/delete/", 302, post="yes"),
        ),
        user="demo",
    ),
    "refused": Case(
        (
            Step("wsgi", "/accounts/login/", 403, "POST", (FORM,), body=b"username=demo"),
            Step("asgi", "/aping/", 403, "POST", (FORM,), body=b"a=b"),
            get("wsgi", "/ping/", 400, ("host", "elsewhere.example")),
            get("asgi", "/aping/", 400, ("host", "elsewhere.example")),
            Step("asgi", "/api/questions/1/", 403, "DELETE"),
            Step("wsgi", "/static/ballot/style.css", 405, "OPTIONS"),
            Step("asgi", "/api/questions/1/", 405, "OPTIONS"),
        )
    ),
    "HEAD": Case(
        (
            Step("wsgi", "/", 200, "HEAD"),
            Step("asgi", "/api/questions/1/", 200, "HEAD"),
            Step("wsgi", "/questions/1/votes.csv", 200, "HEAD"),
            Step("wsgi", "/static/ballot/style.css", 200, "HEAD"),
        )
    ),
    "conditional": Case(
        (
            get("wsgi", "/api/questions/", 200, ("if-none-match", '"other"')),
            get(
                "wsgi",
                "/static/ballot/style.css",
                304,
                ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
            ),
        )
    ),
    "a session that is not there": Case(
        (
            get("wsgi", "/", 200, ("cookie", "sessionid=abcdefghijklmnop")),
            get("asgi", "/aping/", 200, ("cookie", "sessionid=abcdefghijklmnop")),
            get("wsgi", "/questions/1/", 200, ("cookie", "sessionid=abcdefghijklmnop")),
        )
    ),
}

# The project with middleware of others.

ORIGIN = ("origin", "https://other.test")
SECRET = {"password1": "nile-48-barge", "password2": "nile-48-barge"}
THIRD_PARTY = {
    **each(
        get("wsgi", "/sync/"),
        get("asgi", "/async/"),
        get("wsgi", "/sync", 301),
        get("wsgi", "/nowhere/", 404),
        get("wsgi", "/static/debug_toolbar/css/toolbar.css"),
        get("wsgi", "/static/none.css", 404),
        # AccountMiddleware redirects what it does not find here.
        get("wsgi", "/accounts/", 302),
    ),
    "origin": Case(
        (
            get("wsgi", "/sync/", 200, ORIGIN),
            get("asgi", "/async/", 200, ORIGIN),
            get("asgi", "/async/", 200, ("origin", "https://evil.test")),
            *(
                Step(
                    side,
                    f"/{kind}/",
                    200,
                    "OPTIONS",
                    (ORIGIN, ("access-control-request-method", "PUT")),
                )
                for kind, side in KINDS
            ),
        )
    ),
    "account": Case(
        (
            get("wsgi", "/accounts/login/"),
            get("wsgi", "/accounts/signup/"),
            post("wsgi", "/accounts/signup/", 200, username="cleo", password1="a", password2="b"),
            post("wsgi", "/accounts/signup/", 302, username="cleo", **SECRET),
            get("asgi", "/async/"),
            get("wsgi", "/sync/"),
            get("wsgi", "/accounts/", 302),
            get("wsgi", "/accounts/email/"),
            get("wsgi", "/accounts/logout/"),
            post("wsgi", "/accounts/logout/", 302),
            get("asgi", "/async/"),
            post("wsgi", "/accounts/login/", 200, login="cleo", password="wrong"),
            post("wsgi", "/accounts/login/", 302, login="cleo", password=SECRET["password1"]),
            get("asgi", "/async/"),
        )
    ),
}

CASES = {"edges": EDGES, "polls": POLLS, "third_party": THIRD_PARTY}

# Where Django's two handlers differ from each other, and why. In all other cases they do not, but
# for the sender of their signals.
STREAM = "Django warns where the kind of a stream's iterator does not fit the side"
COOKIES = "cookies that are not ASCII: UTF-8 under WSGI, Latin-1 under ASGI"
UNMEASURED = (
    "a host that is refused: no middleware counts the bytes, ASGI's handler sends it whole"
)
TOOLBAR = "the toolbar has panels that it turns off under ASGI"
LIVE = "the view streams under ASGI alone"
NO_UTF8 = "a path that is no UTF-8: WSGI encodes it again, the scope of ASGI has U+FFFD in it"
UNREAD = "the stream of a response to HEAD is not read under WSGI, which is over with its head"
DIFFERENT = {
    **{
        ("edges", f"/stream/{kind}/"): STREAM
        for kind in ("sync", "async", "async-from-sync", "sync-from-async")
    },
    ("edges", "/unicode/%ff%E2%99%E2%99%A5/"): NO_UTF8,
    ("edges", "/%ff/%E2%99%E2%99%A5/"): NO_UTF8,
    ("edges", "odd requests sync"): f"{COOKIES}; {UNMEASURED}",
    ("edges", "odd requests async"): f"{COOKIES}; {UNMEASURED}",
    ("polls", "/questions/1/live/"): LIVE,
    ("polls", "asking and voting"): LIVE,
    ("polls", "/chat/"): "the view asks whether it is called by ASGI",
    ("polls", "refused"): UNMEASURED,
    ("polls", "HEAD"): UNREAD,
    **{
        ("third_party", case): TOOLBAR
        for case in ("/sync/", "/async/", "/nowhere/", "/static/none.css", "origin", "account")
    },
    ("third_party", "/static/debug_toolbar/css/toolbar.css"): STREAM,
}

# Where the project by both sides differs from Django's handler of the same side, on purpose, and
# why.
ON_PURPOSE = {
    ("polls", "/chat/"): "its view asks whether there is a side for WebSockets, and there is one",
}
