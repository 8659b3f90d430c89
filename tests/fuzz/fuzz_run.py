"""Fuzz one target: `python tests/fuzz/fuzz_run.py TARGET [--seconds N] [--seed N] [FILE ...]`.

Files are run as they are, to see again what once failed. Without files, the bytes of the wire
corpus are mutated for some seconds; with atheris installed, `--atheris [libFuzzer options]` does
it guided by coverage. Failures are only printed, ready to become a case of the corpus.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from fuzz_targets import TARGETS

from support.hpack_blocks import EXAMPLES_OF_THE_RFC
from support.http1_requests import CONFUSING
from support.http2_frames import OPENING
from support.http2_wire import load_http2_corpus
from support.proxy import binary, binary_line, checked, tlv
from support.websocket_wire import load_websocket_corpus
from support.wire import load_corpus

Target = Callable[[bytes], None]


# Values of Sec-WebSocket-Protocol, -Extensions, -Key and -Version.
OFFERS = [
    b"chat, b\r\npermessage-deflate; client_max_window_bits\r\ndGhlIHNhbXBsZSBub25jZQ==\r\n13",
    b"a\r\npermessage-deflate; server_max_window_bits=10, permessage-deflate\r\n=\r\n8",
    b'a,b,,a\r\nx; a=1; b="2", permessage-deflate; server_no_context_takeover',
    b'\r\npermessage-deflate;client_max_window_bits="1\\5";client_no_context_takeover',
]

# Values of X-Forwarded-For, -Proto, -Host, -Port, -Prefix and Forwarded.
FORWARDED = [
    b"6.6.6.6, 198.51.100.7, 10.0.0.2\r\nhttp, https, http\r\na.example:81\r\n443\r\n/shop/",
    b"[2001:db8::7]:80, unknown, unix:\r\nwss\r\n[::1]\r\n0\r\n//\r\n",
    b'\r\n\r\n\r\n\r\n\r\nfor="[::1]:80";proto=https;host="a\\.b", for=_x; by=unknown',
    b"198.51.100.7\r\nhttps\r\n\r\n\r\n\r\nfor=198.51.100.7;proto=http",
]
PROXY_HEADERS = [
    b"PROXY TCP4 198.51.100.7 192.0.2.1 50000 443\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n",
    b"PROXY UNKNOWN\r\n",
    binary_line(tlvs=tlv(0x20, b"\x01" + bytes(4)) + tlv(0x04, bytes(20))) + b"GET /",
    checked(0x21, 0x31, bytes(216)),
    binary(0x20, 0x00, b""),
]


def seeds_of(target: Target) -> list[bytes]:
    """Bytes for a target to be mutated."""
    if target.__name__ == "websocket_engine":
        cases = [case for case in load_websocket_corpus() if len(case.data) < 2000]
        return [(b"\xff" if case.offer else b"\0") + case.data for case in cases]
    if target.__name__ == "http2_engine":
        cases = [case.data for case in load_http2_corpus() if len(case.data) < 2000]
        return [data.removeprefix(OPENING) for data in cases]
    if target.__name__ == "hpack_blocks":
        return [
            b"".join(
                bytes([len(block)]) + block
                for block in (bytes.fromhex(data) for data, _, _ in example.blocks)
            )
            for example in EXAMPLES_OF_THE_RFC
        ]
    if target.__name__ == "websocket_offer":
        return OFFERS
    if target.__name__ == "forwarded":
        return FORWARDED
    if target.__name__ == "proxy_header":
        return PROXY_HEADERS
    return [case.data for case in load_corpus("http1") if len(case.data) < 2000]


def mutate(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A seed after a few accidents, most of them pieces of other seeds."""
    data = chance.choice(seeds)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        gone = chance.choice((0, 0, 1, 2, 8))
        donor = chance.choice(seeds)
        start = chance.randint(0, len(donor))
        piece = chance.choice(
            (
                donor[start : start + chance.choice((1, 2, 4, 16, 60))],
                chance.choice(CONFUSING),
                chance.randbytes(1),
                b"",
            )
        )
        data = data[:at] + piece + data[at + gone :]
    return data


def run_mutations(target: Target, seconds: float, seed: int) -> None:
    chance = random.Random(seed)
    seeds = seeds_of(target)
    end = time.monotonic() + seconds
    count = 0
    print(f"{target.__name__}: {seconds:g} seconds with --seed {seed}")
    while time.monotonic() < end:
        data = mutate(chance, seeds)
        count += 1
        try:
            target(data)
        except BaseException:
            print(f"failed on the bytes {data!r}")
            raise
    print(f"{count} inputs, none failed")


def run_atheris(target: Target, options: list[str]) -> None:
    import atheris

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--atheris", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    target = TARGETS[asked.target]
    if asked.atheris is not None:
        run_atheris(target, asked.atheris)
    for path in asked.files:
        target(path.read_bytes())
    if not asked.files:
        run_mutations(target, asked.seconds, asked.seed)


if __name__ == "__main__":
    main()
