"""Sans-IO engines: bytes in, events out. Nothing here knows a socket, a clock, a loop or a
logger."""
