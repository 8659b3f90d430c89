"""protocols/websocket/masking.py and its compiled twin, against the text of RFC 6455 section 5.3.

The module is the pure form in every run. The twin is what the engine uses when it is compiled, so
it is reached through the engine.
"""

import random

import pytest

from bascule.protocols.limits import WebSocketLimits
from bascule.protocols.websocket.engine import WebSocketEngine
from bascule.protocols.websocket.masking import turn, unmask
from support.websocket_frames import BINARY, client_frame, mask

CHANCE = random.Random(6455)
SIZES = [*range(35), 63, 64, 65, 125, 126, 127, 128, 1000, 4095, 65535, 65536, 65537]


@pytest.mark.parametrize("size", SIZES)
def test_the_pure_form(size: int) -> None:
    data = CHANCE.randbytes(size + 9)
    for start in range(9):
        key = CHANCE.randbytes(4)
        wanted = mask(data[start : start + size], key)
        assert unmask(data, start, size, int.from_bytes(key, "big")) == wanted


@pytest.mark.parametrize("size", SIZES)
def test_the_form_in_use(size: int) -> None:
    """Behind other frames, so that the payload stands at every alignment."""
    for before in range(9):
        payload, key = CHANCE.randbytes(size), CHANCE.randbytes(4)
        one = WebSocketEngine(WebSocketLimits())
        one.receive_data(
            client_frame(BINARY, bytes(before)) + client_frame(BINARY, payload, key=key)
        )
        assert one.next_event() == bytes(before)
        assert one.next_event() == payload


@pytest.mark.parametrize("key", [0, 1, 0xFFFFFFFF, 0x80000000, 0x01020304])
def test_a_key_turns_with_the_bytes(key: int) -> None:
    data = CHANCE.randbytes(60)
    for size in range(20):
        rest = unmask(data, size, len(data) - size, turn(key, size))
        assert unmask(data, 0, size, key) + rest == unmask(data, 0, len(data), key)


def test_a_frame_in_two_reads_turns_its_key() -> None:
    payload = CHANCE.randbytes(40)
    data = client_frame(BINARY, payload, key=b"\x01\x02\x03\xff")
    for cut in range(len(data) + 1):
        one = WebSocketEngine(WebSocketLimits())
        one.receive_data(data[:cut])
        first = one.next_event()
        one.receive_data(data[cut:])
        assert (first or one.next_event()) == payload
