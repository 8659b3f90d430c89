"""Sans-IO engines: bytes in, events out. No module here knows a socket, a clock, a loop or a
logger."""
