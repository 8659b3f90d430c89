"""Every fuzz target holds for the corpus, whole and in parts, and for a fixed lot of accidents."""

import random
from collections.abc import Callable

import pytest
from fuzz_run import mutate, seeds_of
from fuzz_targets import TARGETS, decode_or_refuse, field_blocks, websocket

from bascule.protocols.http1.engine import Http1Engine
from bascule.protocols.http2.hpack import Decoder, HpackError
from bascule.protocols.limits import RequestLimits
from support.websocket_wire import feed_websocket
from support.wire import feed, load_corpus

BYTES = [case.data for case in load_corpus("http1")]
LINES = sorted({line for data in BYTES for line in data[:2000].split(b"\r\n")})
SHORT = [data for data in BYTES if len(data) < 2000]
ACCIDENTS = 500

targets = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@targets
def test_target_holds_for_the_corpus(target: Callable[[bytes], None]) -> None:
    for data in BYTES + seeds_of(target):
        target(data)


@targets
def test_target_holds_for_lines_of_the_corpus(target: Callable[[bytes], None]) -> None:
    """Names, values, sizes and authorities are smaller than requests."""
    for line in LINES:
        target(line)
        target(line.partition(b":")[2].strip())


@targets
def test_target_holds_after_accidents(target: Callable[[bytes], None]) -> None:
    seeds = seeds_of(target)
    for seed in range(ACCIDENTS):
        data = mutate(random.Random(seed), seeds)
        try:
            target(data)
        except BaseException as error:
            error.add_note(f"mutate(random.Random({seed}), seeds) = {data!r}")
            raise


def test_accidents_leave_something_to_find() -> None:
    """Inputs that are all refused, or all served, would prove little."""
    data = [mutate(random.Random(seed), SHORT) for seed in range(ACCIDENTS)]
    outcomes = [feed(Http1Engine(RequestLimits()), iter([one])) for one in data]
    refused = sum(outcome.refused is not None for outcome in outcomes)
    assert ACCIDENTS * 0.1 < refused < ACCIDENTS * 0.9
    assert sum(bool(outcome.requests) for outcome in outcomes) > ACCIDENTS * 0.1


def test_accidents_leave_something_of_a_websocket() -> None:
    seeds = seeds_of(TARGETS["websocket_engine"])
    streams = [mutate(random.Random(seed), seeds) for seed in range(ACCIDENTS)]
    ends, messages = [], 0
    for data in streams:
        events, _ = feed_websocket(websocket(data[:1] > b"\x7f"), iter([data[1:]]))
        ends.append(events[-1][0])
        messages += len(events) > 1
    assert ACCIDENTS * 0.1 < ends.count("failed") < ACCIDENTS * 0.9
    assert messages > ACCIDENTS * 0.05


def test_accidents_leave_something_of_field_blocks() -> None:
    seeds = seeds_of(TARGETS["hpack_blocks"])
    refused = decoded = 0
    for seed in range(ACCIDENTS):
        decoder = Decoder()
        for block in field_blocks(mutate(random.Random(seed), seeds)):
            if decode_or_refuse(decoder, block) is HpackError:
                refused += 1
                break
            decoded += decoder.table.count > 0
    assert ACCIDENTS * 0.1 < refused < ACCIDENTS * 0.9
    assert decoded > ACCIDENTS * 0.1
