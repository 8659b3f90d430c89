"""Log lines have the zone of the system: Django sets that of TIME_ZONE for its process alone."""

import re
from pathlib import Path

import pytest
from manage_site import append, body, managing, write

from support.commands import started
from support.server import Server

ZONE = {"TZ": "Asia/Kolkata"}
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\S+) ", re.MULTILINE)


def zones_of_lines(server: Server) -> list[str]:
    """The zones of all lines, when one request has been served and the server has ended."""
    output = server.wait_for_output("listening on http://")
    found = re.search(r"listening on http://127.0.0.1:(\d+)\n", output)
    assert found is not None
    server.port = int(found[1])
    assert body(server, "/") == "one thread"
    assert server.stop() == 0
    assert '"GET / HTTP/1.1" 200' in server.output()
    return STAMP.findall(server.output())


@pytest.mark.parametrize(
    "flags", [(), ("--workers", "1"), ("--workers", "1", "--preload")], ids=str
)
def test_bascule_serve(shop: Path, flags: tuple[str, ...]) -> None:
    append(shop / "shop/settings.py", 'TIME_ZONE = "Asia/Tokyo"\n')
    with started("serve", "--port", "0", *flags, cwd=shop, env=ZONE) as server:
        zones = zones_of_lines(server)
    assert len(zones) > 4
    assert set(zones) == {"+05:30"}


def test_serve_from_python(shop: Path) -> None:
    """Django is set up before the server knows of it."""
    append(shop / "shop/settings.py", 'TIME_ZONE = "Asia/Tokyo"\n')
    script = """
        import os, sys
        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        from django.core.wsgi import get_wsgi_application
        application = get_wsgi_application()
        import bascule
        sys.exit(bascule.serve(application, port=0, access_log=True))
    """
    write(shop / "serving.py", script)
    with managing(shop, env=ZONE, program="serving.py") as server:
        zones = zones_of_lines(server)
    assert set(zones) == {"+05:30"}


@pytest.mark.parametrize("flags", [(), ("--workers", "1"), ("--reload",)], ids=str)
def test_manage_serve(shop: Path, flags: tuple[str, ...]) -> None:
    append(shop / "shop/settings.py", 'TIME_ZONE = "Asia/Tokyo"\n')
    with managing(shop, "serve", "--port", "0", *flags, env=ZONE) as server:
        zones = zones_of_lines(server)
    assert set(zones) == {"+05:30"}
