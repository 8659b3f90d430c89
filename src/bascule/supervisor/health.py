"""Answers to probes, from the supervisor, whatever the application does.

GET /live     200 while the supervisor runs
GET /ready    200 while a worker is ready and the server is not stopping, else 503
"""

from bascule.supervisor.table import WorkerTable, workers

REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


def is_whole_head(question: bytes) -> bool:
    """Whether the head of a request has arrived; a body is ignored (RFC 9112 section 2.1)."""
    return b"\r\n\r\n" in question


def answer(question: bytes, table: WorkerTable) -> bytes:
    """Return the whole response to a request."""
    method, _, rest = question.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return response(405, "only GET and HEAD are answered here", method, "allow: GET, HEAD\r\n")
    if path == b"/live":
        return response(200, "alive", method)
    if path == b"/ready":
        status, text = readiness(table)
        return response(status, text, method)
    return response(404, "ask for /live or /ready", method)


def readiness(table: WorkerTable) -> tuple[int, str]:
    """Return the status, and a line that explains it."""
    if table.stopping:
        return 503, "stopping"
    text = f"{table.ready} of {workers(table.target)} ready"
    return (200 if table.ready else 503), text


def response(status: int, text: str, method: bytes, fields: str = "") -> bytes:
    body = f"{text}\n"
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: text/plain; charset=utf-8\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\n{fields}"
        "connection: close\r\n\r\n"
    )
    return (head if method == b"HEAD" else head + body).encode()
