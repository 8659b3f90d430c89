"""What of the settings reaches which layer."""

from bascule.settings import Settings
from bascule.worker.plan import (
    deadlines,
    extra_lines,
    request_limits,
    server_line,
    stall_after,
)


def test_the_defaults_are_those_of_the_layers_below():
    from bascule.connections.hub import Deadlines
    from bascule.protocols.limits import RequestLimits

    settings = Settings()
    assert request_limits(settings) == RequestLimits()
    assert deadlines(settings) == Deadlines()


def test_each_limit_is_its_own():
    limits = request_limits(
        Settings(
            limit_request_line=101,
            limit_request_head=1002,
            limit_request_fields=3,
            limit_request_body=4,
        )
    )
    assert (limits.request_line, limits.head, limits.fields, limits.body) == (101, 1002, 3, 4)


def test_each_deadline_is_its_own():
    found = deadlines(
        Settings(timeout_keep_alive=1, timeout_request_head=2, timeout_write=3, limit_body_rate=4)
    )
    assert (found.keep_alive, found.request_head, found.write, found.body_rate) == (1, 2, 3, 4)


def test_when_a_loop_counts_as_blocked():
    assert stall_after(Settings()) == 5
    assert stall_after(Settings(loop_stall=2)) == 2
    assert stall_after(Settings(debug=True)) == 0.1
    assert stall_after(Settings(debug=True, loop_stall=0.06)) == 0.06
    assert stall_after(Settings(debug=True, loop_stall=None)) is None


def test_fields_become_lines():
    settings = Settings(header=["X-One: 1", "X-Two: a: b"])
    assert extra_lines(settings).lower() == b"x-one: 1\r\nx-two: a: b\r\n"
    assert extra_lines(Settings()) == b""
    assert server_line(Settings()) == b"server: bascule\r\n"
    assert server_line(Settings(server_header=False)) == b""
