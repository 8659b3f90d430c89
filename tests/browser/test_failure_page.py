"""`bascule dev` in a browser: the page that says what has failed, and goes by itself."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.commands import started

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    fields = [(b"content-type", b"text/html")]
    await send({{"type": "http.response.start", "status": 200, "headers": fields}})
    await send({{"type": "http.response.body", "body": b"<h1>{version}</h1>"}})
"""


def test_the_page_comes_with_a_mistake_and_goes_with_it(
    tmp_path: Path, new_page: Callable[[], "Page"]
) -> None:
    code = tmp_path / "site_app.py"
    code.write_text("def app(:\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with started(
            *("dev", "site_app", "-b", f"fd://{listener.fileno()}"),
            cwd=tmp_path,
            port=port,
            fds=(listener.fileno(),),
        ) as server:
            # At the first start nothing serves.
            server.wait_for_output("waiting for a change")
            page = new_page()
            page.goto(server.base_url)
            page.get_by_role("heading", name="The code did not start").wait_for()
            page.get_by_text("SyntaxError").wait_for()
            code.write_text(APP.format(version="one"))
            page.get_by_role("heading", name="one").wait_for()
            # Then the old code does, and the page says so.
            code.write_text("import no_such_module_here\n")
            server.wait_for_output("the old code keeps serving")
            # The server hears of it a moment after the terminal does.
            while (response := page.reload()) is None or response.status == 200:
                pass
            page.get_by_text("no_such_module_here").first.wait_for()
            page.get_by_text("The previous code still serves").wait_for()
            # Another mistake is another text.
            code.write_text("import neither_is_this\n")
            page.get_by_text("neither_is_this").first.wait_for()
            code.write_text(APP.format(version="two"))
            page.get_by_role("heading", name="two").wait_for()
            assert server.stop() == 0
