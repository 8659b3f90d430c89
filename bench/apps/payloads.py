"""The responses of all benchmark apps: the apps send them, and the harness checks them."""

import os
import tempfile

HELLO = b"Hello, world!"
TEN_KB = b"bascule ten kb.\n" * 640
JSON = {"message": "Hello, world!", "numbers": [1, 2, 3], "nested": {"ok": True, "none": None}}

ECHO_SIZE = 64 * 1024
ECHO = b"e" * ECHO_SIZE

FILE_SIZE = 100 * 1024
FILE_READ_SIZE = 64 * 1024  # how much a framework's file response reads at a time
FILE = (b"0123456789abcdef" * 64) * 100

LARGE_SIZE = 1_000_000_000
LARGE_PIECE = TEN_KB * 6  # what the app sends of it at a time

STREAM_CHUNK = b"s" * 1024
STREAM_CHUNKS = 20
STREAM = STREAM_CHUNK * STREAM_CHUNKS

MESSAGE_64 = "m" * 64  # travels as text
MESSAGE_16K = b"m" * (16 * 1024)  # travels as binary
JOINED = "joined"  # the greeting of the broadcast app to each new connection


def file_path() -> str:
    """The 100 KB file served; the harness names it in the environment and creates it."""
    return os.environ.get("BENCH_FILE") or os.path.join(tempfile.gettempdir(), "bench-100k.bin")
