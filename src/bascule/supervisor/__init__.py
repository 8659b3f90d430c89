"""Processes that watch over a server: in development, one that reloads it."""
