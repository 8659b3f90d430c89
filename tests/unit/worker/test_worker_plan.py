"""The settings that reach each layer."""

from bascule.connections.hub import TICK
from bascule.connections.plan import ConnectionPlan
from bascule.settings import Settings
from bascule.worker.plan import connection_plan, stall_after, without_last_call


def test_the_defaults_are_those_of_the_layers_below():
    assert connection_plan(Settings(server_header=False)) == ConnectionPlan()


def test_each_limit_is_its_own():
    plan = connection_plan(
        Settings(
            limit_request_line=101,
            limit_request_head=1002,
            limit_request_fields=3,
            limit_request_body=4,
            limit_connections=5,
            limit_concurrency=6,
            ws_max_size=7,
            ws_max_fragments=8,
        )
    )
    limits, sockets = plan.limits, plan.websocket_limits
    assert (limits.request_line, limits.head, limits.fields, limits.body) == (101, 1002, 3, 4)
    assert (plan.max_connections, plan.max_running) == (5, 6)
    assert (sockets.message, sockets.frame, sockets.fragments) == (7, 7, 8)


def test_each_deadline_is_its_own():
    plan = connection_plan(
        Settings(
            timeout_keep_alive=1,
            timeout_request_head=2,
            timeout_write=3,
            limit_body_rate=4,
            ws_ping_interval=5,
            ws_ping_timeout=6,
            request_timeout=7,
        )
    )
    found = plan.deadlines
    assert (found.keep_alive, found.request_head, found.write, found.body_rate) == (1, 2, 3, 4)
    assert (found.websocket_ping_interval, found.websocket_ping_timeout) == (5, 6)
    assert plan.request_timeout == 7


def test_none_is_no_limit():
    plan = connection_plan(
        Settings(ws_ping_interval=None, ws_ping_timeout=None, limit_concurrency=None)
    )
    assert plan.deadlines.websocket_ping_interval == 0
    assert plan.deadlines.websocket_ping_timeout == 0
    assert plan.max_running == 0


def test_choices_are_passed_on():
    plan = connection_plan(
        Settings(header_map="refuse", ws_per_message_deflate=False, date_header=False)
    )
    assert (plan.header_map, plan.compress, plan.date_header) == ("refuse", False, False)
    versions = {http: connection_plan(Settings(http=http)) for http in ("auto", "1", "2")}
    assert {http: (plan.http1, plan.http2) for http, plan in versions.items()} == {
        "auto": (True, True),
        "1": (True, False),
        "2": (False, True),
    }


def test_a_stop_without_last_call():
    plan = connection_plan(Settings(timeout_write=3))
    hurried = without_last_call(plan)
    assert (hurried.deadlines.last_call, hurried.deadlines.first_call) == (0, TICK)
    assert hurried.deadlines.write == 3
    assert plan.deadlines.last_call > 0


def test_when_a_loop_counts_as_blocked():
    assert stall_after(Settings()) == 5
    assert stall_after(Settings(loop_stall=2)) == 2
    assert stall_after(Settings(debug=True)) == 0.1
    assert stall_after(Settings(debug=True, loop_stall=0.06)) == 0.06
    assert stall_after(Settings(debug=True, loop_stall=None)) is None


def test_fields_become_lines():
    settings = Settings(header=["X-One: 1", "X-Two: a: b"])
    assert connection_plan(settings).extra_lines.lower() == b"x-one: 1\r\nx-two: a: b\r\n"
    assert connection_plan(Settings()).extra_lines == b""
    assert connection_plan(Settings()).server_line == b"server: bascule\r\n"
    assert connection_plan(Settings(server_header=False)).server_line == b""
