"""Applications that answer with who their client is, one for each interface."""

import json


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [
        facts(
            environ["REMOTE_ADDR"] or None,
            environ["wsgi.url_scheme"],
            environ.get("HTTP_HOST", ""),
            environ["SCRIPT_NAME"],
            "HTTP_X_FORWARDED_FOR" in environ,
        )
    ]


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    fields = dict(scope["headers"])
    body = facts(
        scope["client"] and scope["client"][0],
        scope["scheme"],
        fields.get(b"host", b"").decode(),
        scope["root_path"],
        b"x-forwarded-for" in fields,
    )
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def facts(client, scheme, host, root, seen):
    return json.dumps(
        {"client": client, "scheme": scheme, "host": host, "root": root, "seen": seen}
    ).encode()
