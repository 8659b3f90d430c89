"""Sans-IO engines: octets in, events out. Nothing here knows a socket, a clock, a loop or a
logger."""
