"""The deadlines of HTTP/2's streams, on a clock that the test moves."""

from connection_rig import Rig

from bascule.connections.hub import TICK, Deadlines
from support import http2_frames as h2

DEADLINES = Deadlines()


def connected(rig: Rig):
    rig.hub.http2 = True
    client = rig.connect()
    client.send(h2.PREFACE + h2.settings() + h2.settings(ack=True))
    return client


def kinds(client) -> list[tuple[str, int]]:
    """(kind, stream) of the frames of streams."""
    frames = h2.frames_of(client.received)
    return [(frame.kind, frame.stream) for frame in frames if frame.stream]


def test_a_body_that_trickles_is_refused_after_the_grace(rig):
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    rig.pass_time(DEADLINES.body_grace)
    assert kinds(client) == []
    rig.pass_time(TICK)
    assert kinds(client)[:2] == [("headers", 1), ("data", 1)]
    assert [status for _, _, status in rig.access_lines] == [408]


def test_a_request_at_its_deadline_is_not_refused_for_its_body_as_well(rig, caplog):
    """Both are due in one tick: it has one answer, and one line in the log."""
    rig.hub.request_timeout = DEADLINES.body_grace
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    rig.pass_time(DEADLINES.body_grace)
    assert kinds(client) == []
    rig.pass_time(TICK)
    assert [status for _, _, status in rig.access_lines] == [504]
    assert [kind for kind, _ in kinds(client)].count("headers") == 1


def test_the_time_that_the_loop_stood_still_is_not_the_clients(rig):
    client = connected(rig)
    client.send(h2.headers(1, h2.POST, end=False))
    rig.pass_time(DEADLINES.body_grace - 1)
    rig.stand_still(10 * DEADLINES.body_grace)
    assert kinds(client) == []


def test_frames_of_a_time_in_which_the_loop_stood_still_are_no_flood(rig):
    """They were sent at a rate that is allowed, and come all at once."""
    client = connected(rig)
    engine = client.protocol.engine
    engine.frames.spend(engine.frames.left)
    rig.stand_still(60)
    assert engine.frames.left == engine.frames.most
