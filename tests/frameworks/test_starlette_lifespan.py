"""Starlette's lifespan: begun before the first request, its state there, ended at the stop."""

from framework_sites import APPS

from support.http import exchange
from support.server import running


def test_the_lifespan_surrounds_the_requests_and_its_state_is_theirs() -> None:
    with running("starlette_app:app", cwd=APPS) as server:
        assert exchange(server.port, "GET", "/state").body == b'{"greeting": "set at startup"}'
        assert "lifespan: started" in server.output()
        assert "lifespan: ended" not in server.output()
        assert server.stop() == 0
        assert server.output().count("lifespan: started") == 1
        assert server.output().count("lifespan: ended") == 1
